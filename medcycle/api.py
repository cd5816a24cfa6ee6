"""medcycle from Python: the functions that `import medcycle` offers.

Everything heavy, such as PyTorch, is loaded by the function that needs it. What the command line does beside these
functions is to print.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from medcycle.body import Modality
from medcycle.cohort.vetting import vet
from medcycle.errors import UsageError
from medcycle.io.discover import Source, one_source
from medcycle.io.images import volume_of
from medcycle.modality import SOURCE_OF, modality_of_values
from medcycle.volume import Array, Volume

if TYPE_CHECKING:
    from medcycle.config import DeviceKind
    from medcycle.evaluation import Summary
    from medcycle.inference import Prediction
    from medcycle.io.dicom.deidentify import Deidentify
    from medcycle.methods.saved import SavedMethod
    from medcycle.training.loop import TrainingResult

__all__ = [
    "Progress",
    "evaluate",
    "load_model",
    "read",
    "synthesize",
    "train",
    "write_dicom",
    "write_nifti",
]

Progress = Callable[[float, str], None]
"""Is told how much is done, 0 to 1, and a short note."""

GIVEN = Path("the image given")
"""What errors call an image that is no file."""


def read(path: Path | str, *, resample_irregular: bool = False, ct_offset: float = 0.0) -> Volume:
    """Read one volume.

    Args:
        path: an image file (NIfTI, NRRD, MetaImage), or a folder with one DICOM series.
        resample_irregular: rebuild a series with gaps or varying slice distances instead of refusing it.
        ct_offset: what is taken off a CT that has something added to its HU, such as 1024.

    Returns:
        The volume: HU for CT, signal for MR; RAS+ affine in mm.

    Raises:
        UsageError: if there is nothing at `path`.
        EmptyFolder: if a folder holds no volume, or several.
        DataError: if the file is torn, or the series is not one sound volume.
    """
    return one_source(Path(path), resample_irregular=resample_irregular, ct_offset=ct_offset).read()


def load_model(run_or_checkpoint: Path | str, *, to: Modality = "ct") -> SavedMethod:
    """Load a trained model, for several calls of `synthesize`.

    Args:
        run_or_checkpoint: a run's folder, of which the best checkpoint is taken (the last one to make MR), or a file.
        to: what it is to make.

    Raises:
        UsageError: if there is no checkpoint, or the model doesn't make `to`.
        BadCheckpoint: if it is damaged, or not one of medcycle. Nothing in the file is executed.
    """
    from medcycle.inference import require_direction
    from medcycle.methods.saved import checkpoint_of, load_method

    model = load_method(checkpoint_of(Path(run_or_checkpoint), to=to))
    require_direction(model, to)
    return model


def synthesize(
    image: Any,
    model: Path | str | SavedMethod | Sequence[Path | str | SavedMethod],
    *,
    to: Modality = "ct",
    affine: Array | None = None,
    planes: Literal["trained", "all"] = "trained",
    flips: bool = False,
    shifts: int = 1,
    uncertainty: bool = False,
    device: str | None = None,
    progress: Progress | None = None,
) -> Prediction:
    """Make synthetic CT from MR, or MR from CT, on the image's own grid.

    Args:
        image: MR signal, or HU with `to="mr"`: a `Volume`, a path as of `read`, a nibabel or SimpleITK image, or a
            three-dimensional array with an `affine`.
        model: what `load_model` gave, or a run or checkpoint; several are averaged.
        to: `ct` or `mr`.
        affine: of an array: 4×4, RAS+ mm, from indices to the patient.
        planes: `all` takes slices of all three planes through a 2D network.
        flips: translate the mirrored image as well.
        shifts: how many times to translate it, each time shifted by some voxels, 1 to 4.
        uncertainty: estimate the error of every voxel too.
        device: `cpu`, `cuda`, `cuda:1`, ...; None for an accelerator where there is one.
        progress: is called as the network goes through the image.

    Returns:
        `volume` (HU for CT), `body`, `uncertainty`, and `warnings` in words.

    Raises:
        UsageError: if options don't fit the model, or the image is of no known kind.
        DataError: if the image can't be used, or shows no body.
        WrongModality: if it is a CT where an MR belongs, or the reverse.
    """
    from medcycle.inference import Options, Predictor, devices_of

    source, volume = _image(image, affine)
    vet(source, volume, SOURCE_OF[to])
    several = [model] if isinstance(model, str | os.PathLike) or not isinstance(model, Sequence) else list(model)
    models = [load_model(one, to=to) if isinstance(one, str | os.PathLike) else one for one in several]
    options = Options(planes=planes, flips=flips, shifts=shifts, uncertainty=uncertainty)
    on = devices_of(device)[0] if device else None
    return Predictor(models, options, to=to, device=on).predict(volume, progress)


def train(
    config: str = "auto",
    *,
    output: Path | str,
    mr: Path | str | None = None,
    ct: Path | str | None = None,
    store: Path | str | None = None,
    method: str | None = None,
    dims: float | None = None,
    device: DeviceKind | None = None,
    settings: Mapping[str, Any] | None = None,
    init_from: Path | str | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> TrainingResult:
    """Train a model on folders of scans, and leave a run folder.

    Args:
        config: a configuration's name or file, or `auto`, which plans one for the scans and the device.
        output: the run's folder, new or empty unless `resume`.
        mr: a folder of MR; not needed by configurations that learn from CT alone.
        ct: a folder of CT.
        store: a store that `medcycle prepare` made, instead of the folders.
        method: the method, such as `cut`; None for the configuration's own.
        dims: 2, 2.5 or 3; None for the configuration's own.
        device: `cpu` or `gpu`, to choose the settings for it and to train on it; None for the GPU if there is one.
        settings: dotted keys and their values, such as `{"training.max_minutes": 60}`.
        init_from: a run or checkpoint whose networks to start from.
        resume: go on with the run in `output`.
        progress: is called after every step.

    Returns:
        Steps, seconds, why it ended, and where the last and the best checkpoint are.

    Raises:
        UsageError: if the call or the configuration is wrong.
        DataError: if the scans can't be used, or the training fails.
    """
    import json

    from medcycle.config import Choice
    from medcycle.training.begin import begin

    overrides = [f"{key}={json.dumps(value)}" for key, value in (settings or {}).items()]
    return begin(
        config,
        Path(output),
        mr=_path(mr),
        ct=_path(ct),
        store=_path(store),
        overrides=overrides,
        choice=Choice(method, dims, device),
        init_from=_path(init_from),
        resume=resume,
        progress=progress,
    )


def evaluate(real: Any, synthetic: Any, mask: Any = None, *, protocol: str | None = None) -> Summary:
    """Score synthetic volumes against the real ones.

    Args:
        real: the true volume or a folder of cases; or an image as of `synthesize`.
        synthetic: the same of what was made. Cases of folders are paired by name.
        mask: where to score; by default the body in the real volume.
        protocol: `medcycle`, `synthrad2023`, `synthrad2025` or `synthrad2025_container`; `mr` for MR. None goes by the
            real volume.

    Returns:
        `cases` (metrics by case), `mean`, and `failed`, the cases that could not be scored, with the reason.

    Raises:
        UsageError: if cases don't match by name, or there is no such protocol.
        DataError: if nothing could be scored.
    """
    from medcycle import evaluation
    from medcycle.synthesis.pseudonyms import own_names

    if all(isinstance(one, str | os.PathLike) for one in (real, synthetic)):
        names = own_names(Path(synthetic))
        return evaluation.evaluate(evaluation.match_cases(Path(real), Path(synthetic), _path(mask), names), protocol)
    (_, true), (_, made) = _image(real), _image(synthetic)
    region = None if mask is None else _image(mask)[1]
    known = protocol or evaluation.DEFAULT_PROTOCOL[modality_of_values(true.array)]
    return evaluation.Summary(known, {"volume": evaluation.score(true, made, region, known)})


def write_nifti(volume: Volume, path: Path | str, *, like: Path | str | None = None) -> None:
    """Write a volume as NIfTI, with its affine in qform and sform.

    Args:
        volume: what to write.
        path: ending in `.nii` or `.nii.gz`.
        like: a NIfTI file on the same grid, whose forms and codes are written instead.

    Raises:
        OSError: if it can't be written; nothing half-written is left.
    """
    from medcycle.io.nifti import write_nifti as write

    write(volume, Path(path), like=_path(like))


def write_dicom(
    volume: Volume,
    folder: Path | str,
    *,
    reference: Path | str | None = None,
    modality: Modality = "ct",
    rtstruct: Path | str | None = None,
    deidentify: Deidentify | None = None,
) -> list[Path]:
    """Write a synthetic volume as a DICOM series in the study of the series it was made from.

    Args:
        volume: synthetic CT in HU, or MR signal.
        folder: where to; new or empty.
        reference: the source series; None for a new study of an anonymous patient.
        modality: what the volume is.
        rtstruct: a structure set drawn on the source, to refer to the synthetic series.
        deidentify: how to take the patient's identity out; None keeps it.

    Returns:
        The files.

    Raises:
        UsageError: if the folder holds anything, or there is no series at `reference`.
        DataError: if the volume doesn't lie where the reference is, or the structure set belongs elsewhere.
    """
    from medcycle import __version__
    from medcycle.io.dicom.export import write_dicom as write
    from medcycle.io.dicom.header import Origin
    from medcycle.io.discover import one_series

    return write(
        volume,
        Path(folder),
        modality=modality,
        reference=None if reference is None else one_series(Path(reference)),
        origin=Origin(__version__),
        rtstruct=_path(rtstruct),
        deidentify=deidentify,
    )


def _path(path: Path | str | None) -> Path | None:
    return None if path is None else Path(path)


def _image(image: Any, affine: Array | None = None) -> tuple[Source, Volume]:
    """An image of any kind that `synthesize` takes, and where it is from."""
    if affine is not None and not isinstance(image, np.ndarray):
        raise UsageError(f"affine is only for arrays, not for a {type(image).__name__}; leave it out")
    if isinstance(image, str | os.PathLike):
        source = one_source(Path(image))
        return source, source.read()
    return Source("image", GIVEN), volume_of(image, affine)
