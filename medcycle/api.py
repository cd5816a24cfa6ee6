"""medcycle from Python: the functions that `import medcycle` offers.

Heavy modules such as PyTorch are loaded by the functions that need them. The command line uses the same functions and
prints their results.
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
from medcycle.report import write_report
from medcycle.volume import Array, Volume

if TYPE_CHECKING:
    from medcycle.config import DeviceKind
    from medcycle.evaluation import Summary
    from medcycle.inference import Prediction
    from medcycle.io.dicom.deidentify import Deidentify
    from medcycle.methods.checkpoint import SavedMethod
    from medcycle.training.loop import TrainingResult

__all__ = [
    "Progress",
    "evaluate",
    "judge",
    "list_models",
    "load_model",
    "model_info",
    "read",
    "synthesize",
    "train",
    "write_dicom",
    "write_nifti",
    "write_report",
]

Progress = Callable[[float, str], None]
"""Called with the fraction done, 0 to 1, and a short note."""

GIVEN = Path("the image given")
"""The name in error messages of an image that is not a file."""


def read(path: Path | str, *, resample_irregular: bool = False, ct_offset: float = 0.0) -> Volume:
    """Read one volume.

    Args:
        path: an image file (NIfTI, NRRD, MetaImage), or a folder with one DICOM series.
        resample_irregular: resample a series with gaps or uneven slice spacing instead of refusing it.
        ct_offset: subtracted from a CT that is stored with an offset, such as 1024.

    Returns:
        The volume: HU for CT, signal for MR; RAS+ affine in mm.

    Raises:
        UsageError: if `path` does not exist.
        EmptyFolder: if a folder contains no volume, or several.
        DataError: if the file is damaged, or the series is defective.
    """
    return one_source(Path(path), resample_irregular=resample_irregular, ct_offset=ct_offset).read()


def list_models() -> list[str]:
    """The names of the trained models that ship with medcycle, for `load_model` and `synthesize`."""
    from medcycle.models import shipped_names

    return shipped_names()


def model_info(name: str) -> dict[str, Any]:
    """What is known of a model that ships with medcycle.

    Args:
        name: one of `list_models`.

    Returns:
        Plain values: `summary`, `licence`, `training_data`, `figures`, `limits`, `weights` and `model` (configuration
        and intensity maps).

    Raises:
        UsageError: if there is none of that name.
    """
    from medcycle.models import Description, shipped_file

    return Description.read(shipped_file(name)).model_dump(mode="json")


def load_model(run_or_checkpoint: Path | str, *, to: Modality = "ct") -> SavedMethod:
    """Load a trained model, for several calls of `synthesize`.

    Args:
        run_or_checkpoint: a checkpoint file, a run's folder, which stands for its best checkpoint (to make MR, the
            last one), or the name of a model that ships with medcycle.
        to: the modality to make.

    Raises:
        UsageError: if there is no checkpoint, or the model can't make `to`.
        BadCheckpoint: if it is damaged, or not a medcycle checkpoint. No code in the file is executed.
    """
    from medcycle.inference import require_direction
    from medcycle.methods.checkpoint import checkpoint_of, load_method

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
        image: the MR, or with `to="mr"` the CT in HU: a `Volume`, a path as for `read`, a nibabel or SimpleITK image,
            or a three-dimensional array with an `affine`.
        model: a model from `load_model`, a run or checkpoint, or the name of a model that ships with medcycle; several
            are averaged.
        to: `ct` or `mr`.
        affine: for an array: 4×4, from voxel indices to RAS+ mm.
        planes: `all` translates axial, coronal and sagittal slices with a 2D network.
        flips: also translate the mirrored image.
        shifts: number of translations, 1 to 4, each shifted by a few voxels.
        uncertainty: also estimate the error of each voxel.
        device: `cpu`, `cuda`, `cuda:1`, ...; None for a GPU if there is one.
        progress: called repeatedly during the translation.

    Returns:
        `volume` (HU for CT), `body`, `uncertainty`, and `warnings` in words.

    Raises:
        UsageError: if options don't fit the model, or the type of the image is not supported.
        DataError: if the image can't be used, or no body is found.
        WrongModality: if it is a CT instead of an MR, or the reverse.
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
    """Train a model on folders of scans, and write a run folder.

    Args:
        config: a configuration's name or file, or `auto` to plan one for the scans and the device.
        output: the run's folder, new or empty unless `resume`.
        mr: a folder of MR; not needed for training on CT alone.
        ct: a folder of CT.
        store: a store written by `medcycle prepare`, instead of the folders.
        method: the method, such as `cut`; None for the configuration's own.
        dims: 2, 2.5 or 3; None for the configuration's own.
        device: `cpu` or `gpu`, to choose settings for and train on; None for a GPU if there is one.
        settings: dotted keys and their values, such as `{"training.max_minutes": 60}`.
        init_from: a run, checkpoint or shipped model to initialise the networks from.
        resume: resume the run in `output`.
        progress: called after every step.

    Returns:
        The number of steps, the time in seconds, why training ended, and the paths of the last and best checkpoints.

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


def evaluate(
    real: Any,
    synthetic: Any,
    mask: Any = None,
    *,
    protocol: str | None = None,
    mr: Path | str | None = None,
    output: Path | str | None = None,
) -> Summary:
    """Score synthetic volumes against the true ones.

    Args:
        real: the true volume or a folder of cases, or an image as for `synthesize`.
        synthetic: the synthetic volume or folder. Cases in folders are paired by name.
        mask: where to score; by default the body in the true volume.
        protocol: `medcycle`, `synthrad2023`, `synthrad2025` or `synthrad2025_container`; `mr` for MR. None
            depends on the modality of the true volume.
        mr: what the synthetic volumes were made from, for the viewer of a report.
        output: a folder for the tables and for what was found of each case, as `medcycle evaluate` writes it and
            `write_report` takes it; only for files and folders.

    Returns:
        `cases` (metrics for each case), `mean`, and `failed` (the cases that could not be scored, with the reason).

    Raises:
        UsageError: if cases don't match by name, the protocol is unknown, or images in memory have an output.
        DataError: if nothing could be scored.
    """
    from medcycle import evaluation
    from medcycle.synthesis.pseudonyms import own_names

    if all(isinstance(one, str | os.PathLike) for one in (real, synthetic)):
        names = own_names(Path(synthetic))
        cases = evaluation.match_cases(Path(real), Path(synthetic), _path(mask), names, source=_path(mr))
        if output is None:
            return evaluation.evaluate(cases, protocol)
        with evaluation.evaluation_in(Path(output), cases) as written:
            return written.finish(evaluation.evaluate(cases, protocol, on_details=written.on_details))
    if output is not None:
        raise UsageError("output needs files or folders of real and synthetic volumes; write them with write_nifti")
    (_, true), (_, made) = _image(real), _image(synthetic)
    region = None if mask is None else _image(mask)[1]
    known = protocol or evaluation.DEFAULT_PROTOCOL[modality_of_values(true.array)]
    return evaluation.Summary(known, {"volume": evaluation.score(true, made, region, known)})


def judge(mr: Any, synthetic: Any, uncertainty: Any = None) -> dict[str, Any]:
    """Judge a synthetic CT by the MR that it was made from, where there is no true CT.

    Args:
        mr: the source, as for `synthesize`.
        synthetic: HU, on the MR's grid.
        uncertainty: the expected error of each voxel, HU, on that grid.

    Returns:
        `verdict` (`grade`: `no finding`, `check` or `do not use`; `score`, larger is worse; `reasons`), `measures` and
        `uncertainty` by region and tissue. No finding is not an approval.

    Raises:
        GridMismatch: if the grids differ.
        WrongModality: if the first is no MR or the second no CT.
    """
    from medcycle.evaluation.verdicts import require_mr_and_ct
    from medcycle.evaluation.without_reference import assess_without_reference

    (source, first), (made, second) = _image(mr), _image(synthetic)
    require_mr_and_ct(first, second, source.path, made.path)
    expected = None if uncertainty is None else _image(uncertainty)[1]
    return assess_without_reference(first, second, uncertainty=expected)


def write_nifti(volume: Volume, path: Path | str, *, like: Path | str | None = None) -> None:
    """Write a volume as NIfTI, with its affine in qform and sform.

    Args:
        volume: the volume to write.
        path: a file ending in `.nii` or `.nii.gz`.
        like: a NIfTI file on the same grid, whose qform, sform and codes are copied instead.

    Raises:
        OSError: if it can't be written; no partial file is left.
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
        folder: the folder to write to; new or empty.
        reference: the source series; None for a new study of an anonymous patient.
        modality: the modality of the volume.
        rtstruct: an RT structure set drawn on the source, to copy to the synthetic series.
        deidentify: how to de-identify; None keeps the patient's identity.

    Returns:
        The files written.

    Raises:
        UsageError: if the folder is not empty, or there is no series at `reference`.
        DataError: if the volume does not overlap with the reference, or the structure set belongs to other images.
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
