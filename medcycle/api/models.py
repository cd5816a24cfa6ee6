"""Models: those that ship, loading, synthesis and training."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from medcycle.api.images import image_of, path_or_none
from medcycle.body import Modality, values_of
from medcycle.cohort.vetting import vet
from medcycle.modality import SOURCE_OF
from medcycle.volume import Array

if TYPE_CHECKING:
    from medcycle.adapting import Adaptation
    from medcycle.config import DeviceKind
    from medcycle.inference import Prediction
    from medcycle.methods.checkpoint import SavedMethod
    from medcycle.training.loop import TrainingResult

__all__ = ["Progress", "adapt", "list_models", "load_model", "model_info", "synthesize", "train"]

Progress = Callable[[float, str], None]
"""Called with the fraction done, 0 to 1, and a short note."""


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
    any_region: bool = False,
    progress: Progress | None = None,
) -> Prediction:
    """Make synthetic CT from MR, or MR from CT, on the image's own grid.

    Args:
        image: the MR, for a model for CBCT the CBCT in HU, or with `to="mr"` the CT in HU: a `Volume`, a path as for
            `read`, a nibabel or SimpleITK image, or a three-dimensional array with an `affine`.
        model: a model from `load_model`, a run or checkpoint, or the name of a model that ships with medcycle; several
            are averaged.
        to: `ct` or `mr`.
        affine: for an array: 4×4, from voxel indices to RAS+ mm.
        planes: `all` translates axial, coronal and sagittal slices with a 2D network.
        flips: also translate the mirrored image.
        shifts: number of translations, 1 to 4, each shifted by a few voxels.
        uncertainty: also estimate the error of each voxel.
        device: `cpu`, `cuda`, `cuda:1`, ...; None for a GPU if there is one.
        any_region: also translate an image of another region than the model was trained on.
        progress: called repeatedly during the translation.

    Returns:
        `volume` (HU for CT), `body`, `uncertainty`, and `warnings` in words.

    Raises:
        UsageError: if options don't fit the model, or the type of the image is not supported.
        DataError: if the image can't be used, or no body is found.
        WrongModality: if it is a CT instead of an MR, or the reverse.
        WrongRegion: if it shows another region than the model was trained on, unless `any_region`.
    """
    from medcycle.inference import Options, Predictor, devices_of

    source, volume = image_of(image, affine)
    several = [model] if isinstance(model, str | os.PathLike) or not isinstance(model, Sequence) else list(model)
    models = [load_model(one, to=to) if isinstance(one, str | os.PathLike) else one for one in several]
    vet(source, volume, values_of(SOURCE_OF[to], models[0].config.data.source))
    options = Options(planes=planes, flips=flips, shifts=shifts, uncertainty=uncertainty)
    on = devices_of(device)[0] if device else None
    return Predictor(models, options, to=to, device=on, any_region=any_region).predict(volume, progress)


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
    from_scratch: bool = False,
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
        init_from: a run, checkpoint or shipped model to initialise the networks from; None for the configuration's.
        from_scratch: train new networks, even if the configuration starts from a shipped model.
        resume: resume the run in `output`.
        progress: called after every step.

    Returns:
        The number of steps, the time in seconds, why training ended, and the paths of the last and best checkpoints.

    Raises:
        UsageError: if the call or the configuration is wrong.
        DataError: if the scans can't be used, or the training fails.
    """
    from medcycle.config import Choice
    from medcycle.training.begin import begin

    return begin(
        config,
        Path(output),
        mr=path_or_none(mr),
        ct=path_or_none(ct),
        store=path_or_none(store),
        overrides=_overrides(settings),
        choice=Choice(method, dims, device),
        init_from=path_or_none(init_from),
        from_scratch=from_scratch,
        resume=resume,
        progress=progress,
    )


def adapt(
    model: Path | str,
    *,
    output: Path | str,
    mr: Path | str,
    ct: Path | str,
    settings: Mapping[str, Any] | None = None,
    resume: bool = False,
    resample_irregular: bool = False,
    ct_offset: float = 0.0,
    progress: Progress | None = None,
) -> Adaptation:
    """Fine-tune a model on a few patients who had both MR and CT, and write a run folder.

    The CT are registered first, into `OUTPUT-registered`. A quarter of the patients is held out, at least one of two or
    more. The model changes only as far as this lowers the mean error on them and raises it for none.

    Args:
        model: a run, checkpoint or shipped model.
        output: the run's folder, new or empty unless `resume`.
        mr: a folder of MR, or one MR.
        ct: the same of CT, of the same patients.
        settings: dotted keys and their values, such as `{"training.max_minutes": 30}`.
        resume: resume the run in `output`.
        resample_irregular: resample DICOM series with gaps or uneven slice spacing instead of refusing them.
        ct_offset: subtracted from CT stored with an offset, HU.
        progress: called after every step.

    Returns:
        The path of the adapted model, the numbers of pairs trained on and held out, and the mean absolute error on the
        latter before and after, HU.

    Raises:
        UsageError: if the call is wrong, or no patient has both.
        DataError: if no pair can be registered, or the training fails.
    """
    from medcycle.adapting import adapt as adapted

    return adapted(
        Path(model),
        Path(output),
        mr=Path(mr),
        ct=Path(ct),
        overrides=_overrides(settings),
        resume=resume,
        resample_irregular=resample_irregular,
        ct_offset=ct_offset,
        progress=progress,
    )


def _overrides(settings: Mapping[str, Any] | None) -> list[str]:
    """Settings as the command line has them."""
    import json

    return [f"{key}={json.dumps(value)}" for key, value in (settings or {}).items()]
