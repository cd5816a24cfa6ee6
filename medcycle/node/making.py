"""From the files of an MR series to the files of its synthetic CT: gate, vetting, model, writer, as everywhere else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medcycle import __version__
from medcycle.cohort.vetting import vet
from medcycle.errors import DataError, DefectiveSeries, EmptyFolder
from medcycle.evaluation.head import body_part_of
from medcycle.inference import Predictor, devices_of, require_mr
from medcycle.io.dicom.contours import names_of_rois
from medcycle.io.dicom.export import write_dicom
from medcycle.io.dicom.gate import DicomSeries, find_series
from medcycle.io.dicom.header import Origin
from medcycle.io.dicom.pixels import read_dataset
from medcycle.io.dicom.rtstruct import read_structure_set, require_same_space
from medcycle.io.dicom.site import Site
from medcycle.io.files import sha256_of
from medcycle.io.source import Source
from medcycle.methods.checkpoint import checkpoint_of, load_method
from medcycle.volume import Volume

__all__ = ["Made", "Translator", "make", "translator_of"]

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Translator:
    """What makes CT of MR.

    Args:
        translate: gives the CT in HU on the grid of an MR, and calls its second argument again and again, which may
            raise an error to stop it, and its third with anything unusual.
        description: what it is, for DerivationDescription, such as the hash of a checkpoint.
    """

    translate: Callable[[Volume, Callable[[], None], Tell], Volume]
    description: str


def translator_of(model: Path | str, *, device: str = "auto", any_region: bool = False) -> Translator:
    """A model, loaded once.

    Args:
        model: a run, a checkpoint, or the name of a model that ships with medcycle.
        device: `cpu`, `cuda`, ...; `auto` for a GPU if there is one.
        any_region: also translate scans of another region than the model was trained on.

    Raises:
        UsageError: if there is no such model or device.
        BadCheckpoint: if it is damaged.
    """
    checkpoint = checkpoint_of(Path(model), to="ct")
    method = load_method(checkpoint)
    require_mr(method, Path(model))
    predictor = Predictor(method, device=devices_of(device)[0], any_region=any_region)

    def translate(volume: Volume, check: Callable[[], None], tell: Tell) -> Volume:
        made = predictor.predict(volume, lambda _share, _note: check())
        for warning in made.warnings:
            tell(warning)
        return made.volume

    return Translator(translate, f"checkpoint of SHA-256 {sha256_of(checkpoint)}")


@dataclass(frozen=True)
class Made:
    """What was made of a series.

    Args:
        files: synthetic slices, then the structure set of each series.
        volumes: how many synthetic series there are.
    """

    files: tuple[Path, ...]
    volumes: int


def make(
    images: Sequence[Path],
    structures: Sequence[Path],
    folder: Path,
    translator: Translator,
    *,
    resample_irregular: bool = False,
    site: Site | None = None,
    check: Callable[[], None],
    tell: Tell,
) -> Made:
    """Make a synthetic CT series of each volume that an MR series holds.

    Args:
        images: files of the series.
        structures: structure sets that were drawn on it; the last one is carried over.
        folder: new; gets a folder for each volume.
        translator: the model.
        resample_irregular: rebuild it if it has gaps or uneven slice spacing.
        site: what the planning system wants of the CT.
        check: called again and again; may raise an error to stop.
        tell: called with warnings.

    Raises:
        DataError: if no volume of it can be used; what keeps a part of it from being used is a warning.
    """
    usable, reasons = [], []
    for series in find_series(images):
        if series.verdict == "sound" or (resample_irregular and series.verdict == "irregular"):
            usable.append(series)
        else:
            reasons.append(series.problem)
    if not usable:
        raise (DefectiveSeries if reasons else EmptyFolder)("; ".join(reasons) or "no images of a volume")
    files: list[Path] = []
    failed: list[DataError] = []
    for number, series in enumerate(usable, 1):
        try:
            made = _synthesised(series, translator, check, tell, resample_irregular=resample_irregular)
            drawn = _fitting(structures, series, tell)
            files += _written(made, series, drawn, folder / str(number), translator, _possible(site, drawn, tell))
        except DataError as error:
            failed.append(error)
    if len(failed) == len(usable):
        raise failed[0]
    for reason in [*reasons, *map(str, failed)]:
        tell(f"a part of the series was left out: {reason}")
    return Made(tuple(files), len(usable) - len(failed))


def _synthesised(
    series: DicomSeries, translator: Translator, check: Callable[[], None], tell: Tell, *, resample_irregular: bool
) -> Volume:
    source = Source("series", series.files[0].parent, series, resample_irregular=resample_irregular)
    volume = source.read()
    vet(source, volume, "mr")
    check()
    return translator.translate(volume, check, tell)


def _written(
    made: Volume, series: DicomSeries, drawn: Path | None, folder: Path, translator: Translator, site: Site | None
) -> list[Path]:
    origin = Origin(
        __version__,
        translator.description,
        series_description=f"sCT medcycle {series.label}".strip(),
        recognised=body_part_of(made),
    )
    return write_dicom(made, folder, modality="ct", reference=series, origin=origin, rtstruct=drawn, site=site)


def _possible(site: Site | None, drawn: Path | None, tell: Tell) -> Site | None:
    """What of a site's wishes can be met: overrides need a structure set, and their structures in it."""
    if not (site and site.overrides):
        return site
    known = {} if drawn is None else names_of_rois(read_structure_set(drawn))
    names = {name.casefold() for name in known.values()}
    met = {name: hu for name, hu in site.overrides.items() if name.casefold() in names}
    if missing := ", ".join(name for name in site.overrides if name not in met):
        tell(f"no structure to override: {missing}")
    return replace(site, overrides=met)


def _fitting(structures: Sequence[Path], series: DicomSeries, tell: Tell) -> Path | None:
    """The last structure set, if it can be carried over; why not, and that others are left out, is told."""
    if not structures:
        return None
    if len(structures) > 1:
        tell(f"{len(structures)} structure sets came with the series; only the last one is carried over")
    try:
        require_same_space(read_structure_set(structures[-1]), read_dataset(series.files[0], pixels=False))
    except DataError as error:
        tell(f"the structure set is not carried over: {error}")
        return None
    return structures[-1]
