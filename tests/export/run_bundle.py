"""What MONAI Label does with a bundle's folder: run as a program, to which medcycle is forbidden.

Its arguments are the bundle, a NIfTI file, and the precision.
"""

import sys
from importlib.abc import MetaPathFinder
from pathlib import Path

import torch
from monai.bundle import ConfigParser


class Forbidden(MetaPathFinder):
    def find_spec(self, name: str, *_: object) -> None:
        if name.partition(".")[0] == "medcycle":
            raise ImportError(f"{name} must not be needed")


def main(bundle: Path, volume: Path, precision: str, output: Path) -> None:
    torch.set_num_threads(1)
    sys.path.insert(0, str(bundle))
    parser = ConfigParser()
    parser.read_config(bundle / "configs" / "inference.json")
    parser.read_meta(bundle / "configs" / "metadata.json")
    parser.update({"bundle_root": str(bundle), "output_dir": str(output), "inferer#precision": precision})
    data = parser.get_parsed_content("preprocessing")({"image": str(volume)})
    with torch.no_grad():
        network = torch.jit.load(bundle / "models" / "model.ts")
        data["pred"] = parser.get_parsed_content("inferer")(data["image"][None], network)[0]
    parser.get_parsed_content("postprocessing")(data)


if __name__ == "__main__":
    sys.meta_path.insert(0, Forbidden())
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
