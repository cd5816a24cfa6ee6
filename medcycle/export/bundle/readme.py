"""The page in a bundle that says what it is and how to run it."""

from __future__ import annotations

from typing import Any

from medcycle import __version__
from medcycle.models import Description, card_of

__all__ = ["readme_of"]

PAGE = """# {task}

{description}

Written by medcycle {version}; medcycle isn't needed to run it. From the bundle's folder:

```
pip install "monai=={monai}" {packages}
python -m monai.bundle run --config_file configs/inference.json --bundle_root . \\
    --dataset_dir FOLDER_OF_NIFTI_FILES --output_dir RESULTS
```

Every NIfTI file in the folder becomes one in `RESULTS`, on its own grid, with the values of `medcycle synthesize` with
its default options. A file of an earlier result is replaced. `--inferer#precision 32-true` computes in float32
throughout; by default it is what is fastest on the processor.

- `scripts` prepares a volume (orientation, spacing, body, intensities), takes it through the network slice by slice or
  window by window, and brings the result back to the source's grid. It is Python code that MONAI runs: take bundles
  only from those you trust.
- `models/model.ts` is the network alone: what it takes and gives is in `configs/metadata.json`.
- Not in the bundle: medcycle's warnings about unusual volumes, its refusal of other body regions than those of the
  training, uncertainty, and DICOM input and output.
- The checkpoint's SHA-256 is {sha256}.
"""


def readme_of(metadata: dict[str, Any], shipped: Description | None) -> str:
    """The page, with the model card if there is one.

    Args:
        metadata: as `metadata_of` makes it.
        shipped: the model's description, if it has one.
    """
    packages = " ".join(f'"{name}>={least}"' for name, least in metadata["required_packages_version"].items())
    page = PAGE.format(
        task=metadata["task"],
        description=metadata["description"],
        version=__version__,
        monai=metadata["monai_version"],
        packages=packages,
        sha256=metadata["made_by"]["checkpoint"]["sha256"],
    )
    return f"{page}\n{card_of(shipped).replace('# ', '## ')}" if shipped else page
