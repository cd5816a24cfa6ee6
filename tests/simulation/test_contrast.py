"""CT numbers to signal, and the curves and fields behind it."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from medcycle.simulation.contrast import Voxels, denoised, hidden_structure, lookup_tables
from medcycle.simulation.fields import affine_grid, interpolate, pool, quantiles, smooth_noise, threshold
from medcycle.simulation.templates import BrainTemplates
from medcycle.simulation.tissues import HIDDEN, VISIBLE


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def signals_of(**values: float) -> dict[str, torch.Tensor]:
    return {name: torch.tensor([values.get(name, 0.0)]) for name in VISIBLE | HIDDEN}


def image_of(hounsfield: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(hounsfield.astype(np.float32))[None, None]


def plain(hounsfield: torch.Tensor, **values: float) -> torch.Tensor:
    lookup = lookup_tables(signals_of(**values), seeded())
    return Voxels.of(hounsfield).signal(lookup, torch.zeros_like(hounsfield), torch.ones_like(hounsfield))


@pytest.mark.parametrize(("hounsfield", "tissue"), [(-1000, "air"), (-100, "fat"), (1500, "bone"), (3000, "metal")])
def test_a_tissue_is_told_by_its_number(hounsfield: float, tissue: str) -> None:
    even = torch.full((1, 1, 8, 8), float(hounsfield))
    assert plain(even, **{tissue: 1.0}).mean() > 0.75  # its centre is drawn from a range
    others = {name: 1.0 for name in VISIBLE if name != tissue}
    assert plain(even, **others).mean() < 0.25


def test_between_air_and_bone_lies_no_bright_line() -> None:
    hounsfield = np.full((16, 16), -1000.0)
    hounsfield[:, 8:] = 1400
    hounsfield[:, 8] = 30  # as a border has it: the number of soft tissue
    bright = {"fat": 1.0, "soft": 1.0, "muscle": 1.0, "marrow": 1.0, "fluid": 1.0, "blood": 1.0}
    assert plain(image_of(hounsfield), **bright)[0, 0, 4].max() < 0.01
    hounsfield[:, 7:9] = (-400, 600)  # a blurred one
    assert plain(image_of(hounsfield), **bright)[0, 0, 4].max() < 0.4


def test_between_soft_tissue_and_bone_lies_their_mixture() -> None:
    hounsfield = np.full((16, 16), 30.0)
    hounsfield[:, 8:] = 1400
    hounsfield[:, 8] = 715  # half of each
    row = plain(image_of(hounsfield), soft=1.0)[0, 0, 4]
    assert row[8] == pytest.approx(0.5 * float(row[2]), abs=0.05)


def test_opposed_fat_and_water_cancel() -> None:
    fat, soft = plain(torch.tensor([[[[-100.0]]]]), fat=-1, soft=1), plain(torch.tensor([[[[30.0]]]]), fat=-1, soft=1)
    assert fat < 0 < soft
    between = [float(plain(torch.full((1, 1, 1, 1), v), fat=-1, soft=1, fluid=1)) for v in np.linspace(-100, 5, 50)]
    assert min(abs(value) for value in between) < 0.05


def test_noise_of_ct_is_smoothed_within_soft_tissue_only() -> None:
    noisy = torch.full((1, 1, 64, 64), 30.0) + 8 * torch.randn(1, 1, 64, 64, generator=seeded())
    noisy[..., 32:] = 1000
    found = denoised(noisy)
    assert found[..., :32].std() < 0.5 * noisy[..., :32].std()
    assert torch.equal(found[..., 32:], noisy[..., 32:])
    assert (found[..., 31] < 100).all()


def test_hidden_structure_stays_in_soft_tissue() -> None:
    hounsfield = torch.full((1, 1, 64, 64), 30.0)
    hounsfield[..., 32:] = 1400
    signals = signals_of(soft=0.5, **{"grey matter": 0.9, "hidden fluid": 0.1})
    hidden = hidden_structure(
        hounsfield, signals, seeded(), scale=(3, 12), vessels=0.5, templates=None, template_share=0
    )
    signal = Voxels.of(hounsfield).signal(lookup_tables(signals, seeded()), hidden, torch.ones_like(hounsfield))
    assert signal[..., :30].std() > 0.05
    assert signal[..., 34:].abs().max() < 1e-6


@pytest.mark.parametrize("sizes", [(48, 56), (48, 56, 3), (48, 56, 20)])
def test_templates_fill_images_of_every_shape(sizes: tuple[int, ...]) -> None:
    drawn = BrainTemplates(heads=1).draw(torch.zeros(4, 1, *sizes), seeded())
    assert drawn.shape == (4, 2, *sizes[:2], *[n if n >= 16 else 1 for n in sizes[2:]])
    assert drawn.min() >= 0
    assert drawn.max() < 1.001
    assert 0.02 < drawn[:, 0].mean() < 0.6


def test_fat_is_the_part_of_fat_tissue_and_not_of_skin() -> None:
    hounsfield = np.full((16, 16), -1000.0)
    hounsfield[:, 8:] = 55
    hounsfield[:, 7] = -100  # skin: half air, half muscle
    lookup, even = lookup_tables(signals_of(fat=1.0, muscle=0.3), seeded()), torch.ones(1, 1, 16, 16)
    assert Voxels.of(image_of(hounsfield)).fat(lookup, even).abs().max() < 0.01
    hounsfield[:, 4:] = -100
    fat = Voxels.of(image_of(hounsfield)).fat(lookup, even)
    assert fat[..., 6:].min() > 0.75
    assert fat[..., :3].max() < 0.01


def test_numbers_beyond_the_tables_are_their_ends() -> None:
    values = torch.tensor([[[[-5000.0]], [[-1024.0]], [[0.0]], [[9000.0]]]]).movedim(1, 0)
    assert Voxels.of(values).tissue.flatten().tolist() == [0, 0, 512, 2047]


def test_neighbouring_slices_are_no_partial_volume() -> None:
    stack = torch.full((1, 1, 8, 8, 3), 30.0)
    stack[..., 0], stack[..., 2] = -1000, 1400
    assert Voxels.of(stack).border.max() == 0
    assert Voxels.of(stack.repeat(1, 1, 1, 1, 6)).border.max() > 0


def test_interpolate_is_numpys() -> None:
    random = np.random.default_rng(0)
    nodes, heights = np.sort(random.normal(size=(3, 6))), random.normal(size=(3, 6))
    values = random.normal(size=(3, 1, 8, 8)) * 2
    found = interpolate(*(torch.from_numpy(array) for array in (values, nodes, heights)))
    for number in range(3):
        np.testing.assert_allclose(found[number], np.interp(values[number], nodes[number], heights[number]))


@pytest.mark.parametrize("levels", [[0.995], [0.0, 0.1, 0.5, 1.0]])
@pytest.mark.parametrize("sizes", [(1, 1), (9, 7), (32, 32), (16, 8, 3)])
def test_quantiles_are_those_of_every_second_voxel(sizes: tuple[int, ...], levels: list[float]) -> None:
    images = torch.rand(4, 1, *sizes, generator=seeded())
    body = torch.rand(images.shape, generator=seeded(1)) > 0.4
    body[:2], body[1, 0, 0, 0] = False, True  # no voxel, and few
    found = quantiles(images, body, levels)
    for image, inside, values in zip(images[:, 0], body[:, 0], found, strict=True):
        seen = image[::2, ::2][inside[::2, ::2]]
        expected = seen.quantile(torch.tensor(levels)) if len(seen) else torch.ones(len(levels))
        torch.testing.assert_close(values, expected)


def test_the_affine_grid_is_torchs() -> None:
    matrices = torch.randn(3, 2, 3, generator=seeded())
    expected = functional.affine_grid(matrices, [3, 1, 6, 9], align_corners=False)
    torch.testing.assert_close(affine_grid(matrices, (6, 9)).movedim(1, -1), expected)


@pytest.mark.parametrize("widths", [(3, 3), (5, 1), (3, 3, 3), (1, 3, 5)])
def test_pooling_is_torchs(widths: tuple[int, ...]) -> None:
    values = torch.randn(2, 1, *(9, 10, 11)[: len(widths)], generator=seeded())
    margins = tuple(width // 2 for width in widths)
    largest = functional.max_pool2d if len(widths) == 2 else functional.max_pool3d
    assert torch.equal(pool(values, widths, "largest"), largest(values, widths, 1, margins))
    assert torch.equal(pool(values, widths, "least"), -largest(-values, widths, 1, margins))


def test_grain_is_as_large_as_asked() -> None:
    like = torch.zeros(1, 1, 128, 128)

    def correlation(grain: float) -> float:
        noise = smooth_noise(like, (grain, grain * 1.01), seeded())
        assert noise.mean() == pytest.approx(0, abs=1e-4)
        assert noise.std() == pytest.approx(1, rel=1e-3)
        return (noise[..., 3:, :] * noise[..., :-3, :]).mean().item()

    assert correlation(2) < 0.3
    assert correlation(12) > 0.7


@pytest.mark.parametrize("share", [0.05, 0.5, 0.8])
def test_a_threshold_is_exceeded_by_the_share(share: float) -> None:
    assert (torch.randn(100_000, generator=seeded()) > threshold(share)).float().mean() == pytest.approx(
        share, abs=0.01
    )
