"""Folders of pictures: read, learned from, translated, scored."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

import medcycle as mc
from medcycle.cli.main import execute
from medcycle.config import Choice, load_config
from medcycle.dataset.pictures import prepared_picture
from medcycle.errors import ConfigError, EmptyFolder, GridMismatch, UnreadableFile, UsageError
from medcycle.evaluation.pictures import score_picture
from medcycle.io.pictures import Picture, find_pictures, holds_pictures, read_picture, write_picture

RED, BLUE, GROUND = (200, 40, 40), (40, 60, 200), (200, 200, 200)

QUICK = {
    "data.patch_size": [32, 32],
    "network.filters": 8,
    "network.blocks": 2,
    "network.discriminator_filters": 8,
    "training.max_steps": 2,
}


def discs(number: int, colour: tuple[int, int, int], size: tuple[int, int] = (44, 38)) -> np.ndarray:
    """Rows × columns × 3, 8 bits."""
    random = np.random.default_rng(number)
    width, height = size
    y, x = np.mgrid[:height, :width]
    image = np.full((height, width, 3), GROUND, dtype=np.uint8)
    for _ in range(3):
        cx, cy, radius = random.uniform(0, width), random.uniform(0, height), random.uniform(5, 10)
        image[(x - cx) ** 2 + (y - cy) ** 2 < radius**2] = colour
    return image


def write_discs(folder: Path, colour: tuple[int, int, int], numbers: range, suffix: str = ".png") -> Path:
    folder.mkdir(parents=True)
    for number in numbers:
        Image.fromarray(discs(number, colour, (44 + number % 5, 38))).save(folder / f"im{number:03d}{suffix}")
    return folder


def call(folder: Path, *more: str) -> list[str]:
    settings = [f"--set={key}={json.dumps(value)}" for key, value in QUICK.items()]
    given = ["--mr", str(folder / "A"), "--ct", str(folder / "B"), "--output", str(folder / "run")]
    return ["train", "images_2d", *given, *settings, *more]


@pytest.mark.parametrize(
    ("array", "grey", "expected"),
    [
        (np.array([[0, 128], [255, 7]], np.uint8), True, [[0, 128], [255, 7]]),
        (np.array([[0, 65535]], np.uint16), True, [[0, 255]]),
        (np.array([[0.0, 0.5, 1.0]]), True, [[0, 127.5, 255]]),
        (np.array([[-1.0, 0.0, 1.0]], np.float32), True, [[0, 127.5, 255]]),
        (np.array([[True, False]]), True, [[255, 0]]),
        (np.array([[[0.0], [1.0]]]), True, [[0, 255]]),
        (np.array([[[1, 2, 3, 200]]], np.uint8), False, [[[1, 2, 3]]]),
    ],
)
def test_arrays_are_brought_to_0_to_255(array: np.ndarray, grey: bool, expected: list, tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", array)
    found = read_picture(tmp_path / "one.npy")
    assert found.is_grey == grey
    np.testing.assert_allclose(found.array[..., 0] if grey else found.array, expected, atol=1e-4)


def test_pictures_come_back_as_they_were(tmp_path: Path) -> None:
    colours = discs(3, RED)
    Image.fromarray(colours).save(tmp_path / "a.png")
    Image.fromarray(colours[..., 0]).save(tmp_path / "b.PNG")
    Image.fromarray(colours[..., 0].astype(np.uint16) * 257).save(tmp_path / "c.png")
    for name, expected, grey in (
        ("a.png", colours, False),
        ("b.PNG", colours[..., 0], True),
        ("c.png", colours[..., 0], True),
    ):
        found = read_picture(tmp_path / name)
        assert found.is_grey == grey
        write_picture(found, tmp_path / "again.png")
        with Image.open(tmp_path / "again.png") as again:
            np.testing.assert_array_equal(np.asarray(again), expected)
        write_picture(found, tmp_path / "again.npy")
        np.testing.assert_allclose(np.load(tmp_path / "again.npy") * 255, expected, atol=1e-3)
    prepared = prepared_picture(read_picture(tmp_path / "a.png"), "ct")
    back = prepared.intensity.inverse(prepared.image.array).transpose(1, 0, 2)
    np.testing.assert_allclose(back, colours, atol=1e-3)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(discs(1, RED)).save(buffer, format="PNG")
    (tmp_path / "torn.png").write_bytes(buffer.getvalue()[:200])
    (tmp_path / "text.jpg").write_text("no picture")
    np.save(tmp_path / "nan.npy", np.array([[np.nan, 0.5]]))
    np.save(tmp_path / "hu.npy", np.array([[-1000.0, 300.0]]))
    np.save(tmp_path / "flat.npy", np.zeros(4))
    np.save(tmp_path / "objects.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    Image.new("1", (20_000, 5_000)).save(tmp_path / "huge.png")
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(UnreadableFile, match=path.name):
            read_picture(path)


def test_pictures_are_found_by_name(tmp_path: Path) -> None:
    write_discs(tmp_path / "in" / "deep", RED, range(2))
    (tmp_path / "in" / "notes.txt").write_text("")
    assert [source.name for source in find_pictures(tmp_path / "in")] == ["deep-im000", "deep-im001"]
    assert not holds_pictures(tmp_path / "in")  # only deeper
    assert holds_pictures(tmp_path / "in" / "deep")
    (tmp_path / "in" / "deep" / "mr.nii.gz").touch()
    assert not holds_pictures(tmp_path / "in" / "deep")  # pictures lie beside scans too
    with pytest.raises(EmptyFolder, match="no pictures"):
        find_pictures(write_discs(tmp_path / "none", RED, range(0)))
    write_discs(tmp_path / "twice", RED, range(1))
    Image.fromarray(discs(1, RED)).save(tmp_path / "twice" / "im000.jpg")
    with pytest.raises(UsageError, match="the same name"):
        find_pictures(tmp_path / "twice")


def test_scores_are_those_of_skimage() -> None:
    first, second = discs(1, RED).astype(np.float32), discs(2, RED).astype(np.float32)
    found = score_picture(Picture(first, False), Picture(second, False))
    assert found["mae"] == pytest.approx(np.abs(first - second).mean())
    assert found["psnr"] == pytest.approx(10 * np.log10(255**2 / np.square(first - second).mean()), rel=1e-5)
    assert found["psnr"] == pytest.approx(peak_signal_noise_ratio(first, second, data_range=255))
    by_channel = [
        structural_similarity(
            first[..., n], second[..., n], data_range=255, gaussian_weights=True, use_sample_covariance=False
        )
        for n in range(3)
    ]
    assert found["ssim"] == pytest.approx(np.mean(by_channel), rel=1e-5)
    same = score_picture(Picture(first, False), Picture(first, False))
    assert (same["mae"], same["ssim"]) == (0, pytest.approx(1))
    with pytest.raises(GridMismatch, match="44 × 38 and 20 × 38"):
        score_picture(Picture(first, False), Picture(first[:, :20], False))


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("data.slices=1", "data.slices: 3"),
        ("training.validations=3", "training.validations to 0"),
        ("training.warm_start=0.5", "pairs are made from CT"),
        ("data.names=[a, a]", "two different words"),
        ("data.names=[../a, b]", "two different words"),
    ],
)
def test_keys_of_scans_are_refused(override: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config("images_2d", [override])
    assert says in str(caught.value)
    with pytest.raises(ConfigError, match=r"data\.names are of data\.pictures"):
        load_config("head_mr_ct", ["data.names=[a, b]"])
    with pytest.raises(ConfigError, match="--dims 3 is for scans"):
        load_config("images_2d", choice=Choice(dims=3))


def test_from_folders_to_scores(tmp_path: Path, capsys) -> None:
    """Of two steps: everything but what is learned."""
    write_discs(tmp_path / "A", RED, range(4), ".jpg")
    write_discs(tmp_path / "B", BLUE, range(3))
    np.save(tmp_path / "A" / "grey.npy", discs(9, RED)[..., 0])
    (tmp_path / "A" / "torn.png").write_bytes(b"\x89PNG")
    assert execute(call(tmp_path, "--names", "red", "blue")) == 0
    said = capsys.readouterr()
    assert "5 pictures of red and 3 pictures of blue" in said.out
    assert "torn.png" in said.err
    (tmp_path / "A" / "torn.png").unlink()
    assert execute(["synthesize", str(tmp_path / "run"), str(tmp_path / "A"), str(tmp_path / "out")]) == 0
    assert "translating 5 pictures to blue" in capsys.readouterr().out
    assert np.load(tmp_path / "out" / "grey.npy").shape == (38, 44)
    assert read_picture(tmp_path / "out" / "im003.png").array.shape == (38, 47, 3)
    before = (tmp_path / "out" / "im003.png").stat().st_mtime_ns
    back = mc.translate_pictures(tmp_path / "run", tmp_path / "B", tmp_path / "back", to="mr")
    assert [path.name for path in back] == ["im000.png", "im001.png", "im002.png"]
    mc.translate_pictures(tmp_path / "run", tmp_path / "A", tmp_path / "out")
    assert (tmp_path / "out" / "im003.png").stat().st_mtime_ns == before
    scores = ["evaluate", "--real", str(tmp_path / "B"), "--synthetic", str(tmp_path / "out")]
    assert execute([*scores, "--output", str(tmp_path / "scores")]) == 0
    summary = json.loads((tmp_path / "scores" / "summary.json").read_text())
    assert sorted(summary["cases"]) == ["im000", "im001", "im002"]
    assert summary["mean"] == mc.score_pictures(tmp_path / "B", tmp_path / "out").mean
    assert execute([*scores, "--output", str(tmp_path / "scores"), "--protocol", "mr"]) == 2
    assert "--protocol is for scans" in capsys.readouterr().err


def test_scans_and_pictures_are_told_apart(tmp_path: Path, checkpoint: Path, capsys) -> None:
    write_discs(tmp_path / "A", RED, range(2))
    assert execute(["synthesize", str(checkpoint), str(tmp_path / "A"), str(tmp_path / "out")]) == 2
    assert "trained on scans, not on pictures" in capsys.readouterr().err
    call_with = ["synthesize", str(checkpoint), str(tmp_path / "A"), str(tmp_path / "out"), "--uncertainty"]
    assert execute(call_with) == 2
    assert "--uncertainty is for scans" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("method", ["pix2pix", "hybrid", "cut", "munit"])
def test_other_methods_take_pictures(method: str, tmp_path: Path) -> None:
    write_discs(tmp_path / "A", RED, range(2))
    write_discs(tmp_path / "B", BLUE, range(2))
    assert execute(call(tmp_path, "--method", method)) == 0
    first = mc.translate_pictures(tmp_path / "run", tmp_path / "A", tmp_path / "one")
    second = mc.translate_pictures(tmp_path / "run", tmp_path / "A", tmp_path / "two")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


@pytest.mark.slow
def test_colours_are_learned(tmp_path: Path) -> None:
    """Red discs become blue, in their places: much nearer to the truth than the input is."""
    write_discs(tmp_path / "A", RED, range(20))
    write_discs(tmp_path / "B", BLUE, range(50, 70))
    write_discs(tmp_path / "test" / "A", RED, range(100, 104))
    write_discs(tmp_path / "test" / "B", BLUE, range(100, 104))
    more = ["--set=training.max_steps=400", "--set=network.filters=16", "--set=network.discriminator_filters=16"]
    assert execute(call(tmp_path, *more)) == 0
    mc.translate_pictures(tmp_path / "run", tmp_path / "test" / "A", tmp_path / "out")
    made = mc.score_pictures(tmp_path / "test" / "B", tmp_path / "out").mean
    given = mc.score_pictures(tmp_path / "test" / "B", tmp_path / "test" / "A").mean
    assert made["mae"] < 0.6 * given["mae"]
