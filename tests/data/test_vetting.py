"""Modality from the values."""

import numpy as np
import pytest

from medcycle.data.findings import inspect_paths
from medcycle.data.vetting import vet
from medcycle.errors import DataError, WrongModality
from medcycle.io import Source, discover, write_nifti
from medcycle.io.dicom.gate import DicomSeries
from medcycle.modality import looks_like_ct
from medcycle.phantom import T2_SPIN_ECHO, HeadPhantom, head_grid
from medcycle.volume import Volume

GRID = head_grid(spacing=(5, 5, 5))


@pytest.mark.parametrize("seed", range(4))
def test_phantoms_are_told_apart(seed: int, tmp_path) -> None:
    head = HeadPhantom.random(seed)
    source = Source("a", tmp_path / "a.nii")
    for volume, modality, other in ((head.ct(GRID), "ct", "mr"), (head.mr(GRID, T2_SPIN_ECHO), "mr", "ct")):
        vet(source, volume, modality)
        with pytest.raises(WrongModality, match=r"a\.nii"):
            vet(source, volume, other)


def test_headers_count_too(tmp_path) -> None:
    series = DicomSeries("1.2", "PT", "", "", (), damaged=(tmp_path / "a.dcm",))
    with pytest.raises(WrongModality, match="modality PT, not MR"):
        vet(Source("a", tmp_path, series), HeadPhantom.random(0).mr(GRID), "mr")


@pytest.mark.parametrize(("value", "words"), [(np.nan, "not numbers"), (np.inf, "not numbers"), (0.0, "every voxel")])
def test_unusable_values(tmp_path, value: float, words: str) -> None:
    volume = Volume(np.zeros(GRID.shape), GRID)
    volume.array[3, 3, 3] = value
    with pytest.raises(DataError, match=words):
        vet(Source("a", tmp_path), volume, "mr")


def test_real_volumes_are_told_apart(shared) -> None:
    for region in ("head", "body"):
        for modality in ("mr", "ct"):
            for source in discover(shared / "data" / region / modality):
                assert looks_like_ct(source.read().array) == (modality == "ct"), source.path


def test_phase_images_are_no_mr(tmp_path) -> None:
    magnitude = HeadPhantom.random(0).mr(GRID)
    phase = magnitude.with_array((np.random.default_rng(0).random(GRID.shape) - 0.5) * 4096)
    small = phase.with_array(phase.array / 20)
    series = DicomSeries("1.2", "MR", "", "", (), damaged=(tmp_path / "a.dcm",))
    slightly = magnitude.with_array(magnitude.array - 3)
    vet(Source("a", tmp_path / "a.nii"), slightly, "mr")
    for source, volume in ((Source("a", tmp_path, series), phase), (Source("a", tmp_path / "a.nii"), small)):
        with pytest.raises(DataError, match="negative, as in a phase image"):
            vet(source, volume, "mr")


def test_padding_and_metal_are_said(tmp_path, caplog) -> None:
    ct = HeadPhantom.random(0).ct(GRID)
    vet(Source("a", tmp_path / "a.nii"), ct, "ct")
    assert not caplog.text
    ct.array[0, 0, :] = -3024
    ct.array[14:16, 16, 9] = 9000
    vet(Source("a", tmp_path / "a.nii"), ct, "ct")
    assert "a.nii: values down to -3024 HU, padding" in caplog.text
    assert "values up to 9000 HU, metal" in caplog.text
    write_nifti(ct, tmp_path / "a.nii")
    (finding,) = inspect_paths([tmp_path])
    assert finding.verdict == "sound"
    assert [note.split(",")[0] for note in finding.notes] == ["values down to -3024 HU", "values up to 9000 HU"]
