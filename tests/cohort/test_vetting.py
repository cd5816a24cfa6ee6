"""Modality from the values."""

import numpy as np
import pytest

from medcycle.cohort.findings import inspect_paths
from medcycle.cohort.vetting import vet
from medcycle.errors import DataError, WrongModality
from medcycle.io import Source, discover, read_volume, write_nifti
from medcycle.io.dicom.gate import DicomSeries
from medcycle.modality import ct_offset_of, looks_like_ct
from medcycle.phantom import T2_SPIN_ECHO, HeadPhantom, head_grid
from medcycle.volume import Grid, Volume

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


@pytest.mark.parametrize(
    ("value", "words"), [(np.nan, "NaN or infinite"), (np.inf, "NaN or infinite"), (0.0, "every voxel")]
)
def test_unusable_values(tmp_path, value: float, words: str) -> None:
    volume = Volume(np.zeros(GRID.shape), GRID)
    volume.array[3, 3, 3] = value
    with pytest.raises(DataError, match=words):
        vet(Source("a", tmp_path), volume, "mr")


@pytest.mark.parametrize("value", [1e30, -1e20, 2e8])
def test_an_absurd_voxel_is_refused_by_its_value(tmp_path, value: float) -> None:
    volume = HeadPhantom.random(0).mr(GRID)
    volume.array[3, 3, 3] = value
    with pytest.raises(DataError, match=f"1 voxel beyond.*up to {value:g}".replace("+", r"\+")):
        vet(Source("a", tmp_path), volume, "mr")


@pytest.mark.parametrize("kind", ["gauss", "uniform", "poisson"])
def test_noise_is_refused(tmp_path, kind: str) -> None:
    random = np.random.default_rng(0)
    draw = {
        "gauss": lambda: np.abs(random.normal(0, 100, GRID.shape)),
        "uniform": lambda: random.uniform(0, 1000, GRID.shape),
        "poisson": lambda: random.poisson(100.0, GRID.shape),
    }
    with pytest.raises(DataError, match="pure noise"):
        vet(Source("a", tmp_path), Volume(draw[kind]().astype(np.float32), GRID), "mr")
    head = HeadPhantom.random(0).mr(GRID)
    noisy = np.abs(head.array + random.normal(0, 0.1 * head.array.max(), GRID.shape))
    vet(Source("a", tmp_path), head.with_array(noisy), "mr")


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
    assert "a.nii: values down to -3024 HU (padding)" in caplog.text
    assert "values up to 9000 HU (metal" in caplog.text
    write_nifti(ct, tmp_path / "a.nii")
    (finding,) = inspect_paths([tmp_path])
    assert finding.verdict == "sound"
    assert [note.split(" (")[0] for note in finding.notes] == ["values down to -3024 HU", "values up to 9000 HU"]


def test_a_small_field_of_view_is_a_crop_or_a_wrong_spacing(tmp_path, caplog) -> None:
    head = HeadPhantom.random(0)
    source = Source("a", tmp_path / "a.nii")
    shrunk = Volume(head.mr(GRID).array, Grid(GRID.shape, np.diag([0.2, 0.2, 0.2, 1]) @ GRID.affine))
    with pytest.raises(DataError, match=r"a whole body in a field of view of \d+×\d+×\d+ mm"):
        vet(source, shrunk, "mr")
    crop = Grid((20, 20, 15), np.diag([2.0, 2, 2, 1]) - np.eye(4, k=3) * 19)
    vet(source, head.mr(crop), "mr")
    assert "the whole field of view of 40×40×30 mm is taken as body" in caplog.text


def test_a_ct_with_an_offset_is_named_and_corrected_when_asked(tmp_path, caplog) -> None:
    ct = HeadPhantom.random(0).ct(GRID)
    for offset in (1000, 1024, 32768):
        (tmp_path / f"{offset}").mkdir()
        write_nifti(ct.with_array(np.round(ct.array + offset).clip(0)), tmp_path / f"{offset}" / "a.nii.gz")
        (source,) = discover(tmp_path / f"{offset}")
        for kind in ("ct", "mr"):
            with pytest.raises(WrongModality, match=f"a CT with about {offset} added .* pass --ct-offset {offset}"):
                vet(source, source.read(), kind)
        (finding,) = inspect_paths([tmp_path / f"{offset}"])
        assert (finding.modality, finding.verdict) == ("ct", "refused")
        (corrected,) = discover(tmp_path / f"{offset}", ct_offset=offset)
        vet(corrected, corrected.read(), "ct")
        np.testing.assert_allclose(corrected.read().array, ct.array.clip(-offset), atol=0.51)
        assert f"{offset} subtracted" in caplog.text
        (wrong,) = discover(tmp_path / f"{offset}", ct_offset=300)
        with pytest.raises(WrongModality):
            vet(wrong, wrong.read(), "ct")


def test_nothing_is_taken_off_a_ct_in_hounsfield_units(tmp_path) -> None:
    ct = HeadPhantom.random(0).ct(GRID)
    write_nifti(ct, tmp_path / "a.nii.gz")
    (source,) = discover(tmp_path, ct_offset=1024)
    np.testing.assert_allclose(source.read().array, ct.array, atol=1e-3)


@pytest.mark.parametrize("middle", [600, 900, 1000, 1050, 1100, 1500])
@pytest.mark.parametrize("seed", range(3))
def test_mr_of_any_brightness_is_no_ct_with_an_offset(seed: int, middle: float) -> None:
    mr = HeadPhantom.random(seed).mr(GRID).array
    scaled = mr * (middle / np.median(mr[mr > 0.1 * np.percentile(mr, 99)]))
    assert ct_offset_of(scaled) is None


def test_real_mr_is_no_ct_with_an_offset_and_real_ct_with_one_is(shared) -> None:
    for path in ("head/mr/mr01_t1", "head/mr/mr07_t1c", "head/pair/mr_t2", "body/mr/tcia_TCGA-BC-4073_liver_haste_cor"):
        mr = read_volume(shared / "data" / f"{path}.nii.gz").array
        middle = np.median(mr[mr > 0.1 * np.percentile(mr, 99)])
        assert [ct_offset_of(mr * (wanted / middle)) for wanted in (800, 1000, 1050, 1200)] == [None] * 4, path
    for path in ("head/ct/ct02", "body/ct/tcia_C3L-00189_pancreas_upperabd_2mm"):
        ct = read_volume(shared / "data" / f"{path}.nii.gz").array
        assert ct_offset_of(ct) is None
        assert [ct_offset_of(np.round(ct + offset).clip(0)) for offset in (1024, 32768)] == [1024, 32768]


@pytest.mark.parametrize(("low", "high"), [(2000, 8000), (2100, 8000), (3000, 12000), (6000, 20000), (28000, 40000)])
def test_signal_far_from_zero_is_no_ct_with_an_offset(low: float, high: float) -> None:
    values = np.random.default_rng(0).uniform(low, high, GRID.shape)
    assert ct_offset_of(values) is None
    mr = HeadPhantom.random(0).mr(GRID).array
    assert ct_offset_of(low + mr * (high - low) / mr.max()) is None
