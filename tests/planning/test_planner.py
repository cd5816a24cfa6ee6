"""Plans: what is measured of a cohort, and what follows from it."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from medcycle.batch import Batch, Pair
from medcycle.cli.main import execute
from medcycle.config import METHODS, Config, load_config, parse_config
from medcycle.errors import ConfigError, DataError
from medcycle.io import Source, write_nifti
from medcycle.methods.build import build_method
from medcycle.phantom import HeadPhantom, Tissue, head_grid
from medcycle.planning.cost import step_memory
from medcycle.planning.fingerprint import Fingerprint, fingerprint
from medcycle.planning.plan import Device
from medcycle.planning.planner import plan
from medcycle.volume import Grid, Volume

CPU, SMALL_GPU, GPU = Device("cpu", 16 << 30), Device("cuda", 8 << 30), Device("cuda", 48 << 30)

HEADS = Fingerprint(volumes=40, spacing=(1, 1, 1), slices=(7000, 8000, 6000), body=(160, 210, 230), brightest=1610)


def test_a_cohort_is_measured(tmp_path: Path) -> None:
    for number, orientation in enumerate(("RAS", "PIR", "LIP")):
        grid = head_grid(spacing=(3, 4, 5), orientation=orientation)
        write_nifti(HeadPhantom.random(1).ct(grid, couch=True), tmp_path / f"{number}.nii.gz")
    (tmp_path / "torn.nii.gz").write_bytes(b"torn")
    sources = [Source(path.name, path) for path in sorted(tmp_path.iterdir())]
    found = fingerprint(sources, "ct")
    assert found.volumes == 3
    expected = head_grid(spacing=(3, 4, 5), orientation="RAS")
    inside = np.argwhere(HeadPhantom.random(1).labels(expected).array != Tissue.AIR)
    extent = (np.ptp(inside, axis=0) + 1) * expected.spacing
    np.testing.assert_allclose(found.body, extent, atol=12)
    assert 1000 < found.brightest < 2500
    with pytest.raises(DataError, match="no usable CT: all 1 were refused"):
        fingerprint([Source("torn", tmp_path / "torn.nii.gz")], "ct")


@pytest.mark.slow
def test_what_is_refused_does_not_count(tmp_path: Path) -> None:
    """Eight localizers of three slices lie between eight scans: only these are planned for."""
    head = HeadPhantom.random(1)
    for number in range(8):
        write_nifti(head.mr(head_grid((48, 60, 3), (4, 4, 20))), tmp_path / f"p{number}_a.nii.gz")
        write_nifti(head.mr(head_grid((48, 60, 40), (4, 4, 5))), tmp_path / f"p{number}_b.nii.gz")
    (tmp_path / "p9_mask.nii.gz").write_bytes((tmp_path / "p0_b.nii.gz").read_bytes())
    scan = head.mr(head_grid((48, 60, 40), (4, 4, 5)))
    write_nifti(scan.with_array((scan.array > 100).astype(np.float32)), tmp_path / "p9_mask.nii.gz")
    sources = [Source(path.name, path) for path in sorted(tmp_path.iterdir())]
    found = fingerprint(sources, "mr")
    assert found.spacing == pytest.approx((4, 4, 5))
    assert found.volumes == 8


def test_bodies_are_those_of_nine_in_ten(tmp_path: Path) -> None:
    for number, scale in enumerate((1.0, 1.0, 1.0, 1.0, 1.3)):
        ct = HeadPhantom.random(1).ct(head_grid(spacing=(4, 4, 4)))
        write_nifti(
            Volume(ct.array, Grid(ct.grid.shape, ct.grid.affine @ np.diag([scale] * 3 + [1]))),
            tmp_path / f"{number}.nii.gz",
        )
    sources = [Source(path.name, path) for path in sorted(tmp_path.iterdir())]
    small, all_of_them = fingerprint(sources[:1], "ct"), fingerprint(sources, "ct")
    np.testing.assert_allclose(np.array(all_of_them.body) / small.body, 1.18, atol=0.05)  # 0.6 of the way to 1.3


def test_axes_are_those_of_the_patient(tmp_path: Path) -> None:
    grid = head_grid((20, 30, 40), spacing=(5, 6, 7), orientation="PIR")
    write_nifti(HeadPhantom.random(1).mr(grid), tmp_path / "a.nii.gz")
    found = fingerprint([Source("a", tmp_path / "a.nii.gz")], "mr")
    # P, I, R: the file's first axis is front-back, its second foot-head, its third right-left
    assert found.spacing == pytest.approx((7, 5, 6))
    assert found.slices == (40, 20, 30)


@pytest.mark.parametrize(
    ("device", "thickness", "volumes"),
    [(CPU, 1, 3), (CPU, 5, 40), (SMALL_GPU, 5, 3), (SMALL_GPU, 1, 40), (GPU, 5, 3), (GPU, 1, 40)],
)
def test_every_plan_is_a_configuration_that_fits(device: Device, thickness: float, volumes: int) -> None:
    mr = replace(HEADS, spacing=(1, 1, thickness), volumes=volumes)
    made = plan(mr, HEADS, device)
    config = made.config()
    assert Config.model_validate(yaml.safe_load(made.text())) == config
    for line in made.text().splitlines()[1:]:
        assert line.endswith(":") or len(line.split("  # ")[1]) > 5  # every key has its reason
    for size, width, length in zip(config.data.patch_size, config.data.spacing, HEADS.body, strict=False):
        if device.kind == "cpu" or config.network.spatial_dims == 2:
            assert width is not None
            assert size * width >= length  # the body fits
    assert step_memory(config) <= 0.7 * device.memory


@pytest.mark.parametrize("device", [CPU, SMALL_GPU, GPU])
def test_ct_alone_is_planned_for_in_slices(device: Device) -> None:
    made = plan(None, HEADS, device, {"training.max_minutes": 5})
    config = made.config()
    assert Config.model_validate(yaml.safe_load(made.text())) == config
    assert (config.method.name, config.network.spatial_dims, config.data.slices) == ("randomized", 2, 3)
    # bodies with a margin in 160 pixels, or in those of the CT
    assert config.data.spacing[:2] == ((1.4, 1.4) if device.kind == "cpu" else (1.0, 1.0))
    assert config.training.max_minutes == 5
    assert not config.method.needs_mr
    assert step_memory(config) <= 0.7 * device.memory


def test_what_decides_dimensions() -> None:
    thick = replace(HEADS, spacing=(1, 1, 5))
    few = replace(HEADS, volumes=6)
    assert plan(HEADS, HEADS, GPU).config().network.spatial_dims == 3
    for mr, device, why in ((HEADS, CPU, "needs a GPU"), (thick, GPU, "too thick"), (few, GPU, "10 volumes")):
        made = plan(mr, HEADS, device)
        assert made.config().network.spatial_dims == 2
        assert why in made.choices["network.spatial_dims"][1]
    tiny = Device("cuda", 1 << 30)
    assert "don't fit" in plan(HEADS, HEADS, tiny).choices["network.spatial_dims"][1]


def test_slices_are_taken_in_the_sharp_plane() -> None:
    coronal = replace(HEADS, spacing=(1, 6, 1))
    assert plan(coronal, HEADS, GPU).config().data.plane == "coronal"
    assert plan(coronal, HEADS, GPU).config().data.spacing == (1, None, 1)
    assert plan(HEADS, replace(HEADS, spacing=(1, 1, 5)), GPU).config().data.plane == "axial"
    sagittal = replace(HEADS, spacing=(4, 1, 1))
    assert plan(sagittal, HEADS, GPU).config().data.plane == "sagittal"
    assert plan(sagittal, HEADS, GPU).config().data.patch_size == (224, 256)  # front-back by foot-head


def test_neighbours_are_seen_where_they_are_alike() -> None:
    def slices(across_mr: float, across_ct: float, device: Device) -> int:
        mr, ct = (replace(HEADS, spacing=(1, 1, across), volumes=5) for across in (across_mr, across_ct))
        return plan(mr, ct, device).config().data.slices

    assert slices(1, 1.25, GPU) == 3
    assert slices(1, 3, GPU) == 1  # the one above is another one in CT
    assert slices(5, 5, GPU) == 1
    assert slices(1, 1, CPU) == 1


def test_axial_slices_unless_others_are_clearly_better() -> None:
    assert plan(replace(HEADS, spacing=(1, 1.05, 1)), HEADS, GPU).config().data.plane == "axial"


def test_steps_follow_the_slices() -> None:
    few, many = replace(HEADS, slices=(9, 9, 300)), replace(HEADS, slices=(9, 9, 700))
    one = {"training.batch_size": 1}
    assert plan(few, few, CPU, one).config().training.max_steps == 60_000
    assert plan(few, many, CPU, one).config().training.max_steps == 140_000
    assert plan(few, many, CPU).config().training.max_steps == 140_000 // 4
    assert plan(few, few, CPU).config().training.max_steps == 20_000  # at least


def test_larger_bodies_get_larger_pixels_without_a_gpu() -> None:
    pelvis = replace(HEADS, body=(400, 250, 300))
    spacing = plan(pelvis, pelvis, CPU).config().data.spacing
    assert spacing[0] == pytest.approx(2.65, abs=0.05)
    assert plan(pelvis, pelvis, SMALL_GPU).config().data.spacing[0] == 1


def test_processes_read_beside_a_gpu() -> None:
    for processors, workers in ((1, 0), (3, 2), (64, 4)):
        assert plan(HEADS, HEADS, replace(GPU, processors=processors)).config().training.workers == workers
        assert plan(HEADS, HEADS, replace(CPU, processors=processors)).config().training.workers == 0


def test_the_window_reaches_the_bone() -> None:
    tops = [plan(HEADS, replace(HEADS, brightest=top), CPU).config().data.hu_window[1] for top in (600, 1810, 9000)]
    assert tops == [1500, 1900, 3000]


def test_what_is_set_by_hand_goes_before() -> None:
    made = plan(HEADS, HEADS, CPU, {"training.max_minutes": 5, "data.flip": False})
    assert made.config().training.max_minutes == 5
    assert "flip: false  # set by the user" in made.text()


def test_the_rest_follows_what_is_set_by_hand() -> None:
    assert plan(HEADS, HEADS, GPU).config().network.spatial_dims == 3
    coronal = plan(HEADS, HEADS, GPU, {"data.plane": "coronal"}).config()
    assert coronal.data.spacing == (1, None, 1)
    assert coronal.data.patch_size == (176, 256)  # right-left by foot-head
    fine = plan(HEADS, HEADS, GPU, {"network.spatial_dims": 2, "data.spacing": [0.75, 0.75, None]}).config()
    assert fine.data.spacing == (0.75, 0.75, None)
    assert fine.data.patch_size == (224, 304)


@pytest.mark.parametrize("mr", [None, replace(HEADS, volumes=3)])
@pytest.mark.parametrize("device", [CPU, SMALL_GPU])
@pytest.mark.parametrize("dims", [2, 3])
def test_dimensions_set_by_hand_are_planned_for(mr: Fingerprint | None, device: Device, dims: int) -> None:
    config = plan(mr, HEADS, device, {"network.spatial_dims": dims}).config()
    assert len(config.data.patch_size) == dims
    assert step_memory(config) <= 0.7 * device.memory
    assert config.method.name == ("cyclegan" if mr else "randomized")


@pytest.mark.parametrize("device", [CPU, GPU])
def test_slices_of_all_planes_are_planned_for(device: Device) -> None:
    thick = replace(HEADS, spacing=(1, 1, 3))
    config = plan(thick, HEADS, device, {"data.plane": "all"}).config()
    assert config.data.spacing == (3, 3, 3)
    assert config.network.spatial_dims == 2
    # 210 and 230 mm, each with a margin, in pixels of 3 mm: the larger of what lies along either axis of the slices
    assert [size * 3 >= length for size, length in zip(config.data.patch_size, (210, 230), strict=True)] == [True, True]


def test_what_learns_from_pairs_learns_from_more_heads() -> None:
    assert plan(HEADS, HEADS, CPU).config().data.deformed_ct == 30
    registered = plan(HEADS, HEADS, CPU, {"method.name": "pix2pix"}).config()
    assert registered.data.deformed_ct == 0  # no MR is registered with them


def test_a_method_set_by_hand_is_planned_for() -> None:
    by_hand = {"method.name": "randomized"}
    with_mr, alone = plan(HEADS, HEADS, CPU, by_hand).config(), plan(None, HEADS, CPU).config()
    assert with_mr.randomize.measured_share == 0.5
    assert alone.randomize.measured_share == 0
    for config in (with_mr, alone):
        assert config.training.warm_start == 0
        assert config.training.betas == (0.9, 0.99)
        assert (config.training.optimizer, config.training.decay) == ("muon", "cosine")
        assert config.data.bone_air_sampling == 0.6
        assert config.network.name == "unet"


@pytest.mark.slow
@pytest.mark.parametrize("device", [CPU, GPU])
def test_a_network_set_by_hand_is_planned_for(device: Device) -> None:
    flat = {"network.spatial_dims": 2}
    resnet = plan(HEADS, HEADS, device, flat | {"network.name": "resnet"}).config()
    assert (resnet.network.filters, resnet.network.blocks) == (64, 6)
    assert resnet.training.learning_rate == 2e-4
    assert plan(HEADS, HEADS, device, flat | {"network.name": "unet"}).config().network.filters == 32
    assert plan(HEADS, HEADS, device, flat | {"network.name": "monai"}).config().network.type == "SegResNet"


@pytest.mark.parametrize("mebibytes", [1024, 2048, 2560])
def test_small_gpus_get_small_networks(mebibytes: int) -> None:
    body = replace(HEADS, body=(400, 300, 400), spacing=(1, 1, 3))
    made = plan(body, body, Device("cuda", mebibytes << 20))
    assert step_memory(made.config()) <= 0.7 * (mebibytes << 20)
    assert made.config().network.filters < 64
    assert "don't fit" in made.choices["network.filters"][1]


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("training.max_minute=5", "max_minutes"),
        ("nonsense=1", "section.key=value"),
        ("network={filters: 4}", "section.key=value"),
        ("other.filters=4", "other"),
        ("data.patch_size", "key=value"),
        ("network.filters=-1", "above 0"),
    ],
)
def test_wrong_settings_are_found_before_the_work(cohort: Path, tmp_path, capfd, override: str, words: str) -> None:
    folders = ["--mr", str(cohort / "mr"), "--ct", str(cohort / "ct")]
    assert execute(["prepare", str(tmp_path / "store"), *folders, "--set", override]) == 2
    said = capfd.readouterr().err
    assert words in said
    assert "measuring" not in said
    assert not (tmp_path / "store").exists()


def test_memory_grows_with_the_patch_and_the_batch() -> None:
    small = load_config("head_mr_ct", ["training.batch_size=1", "network.filters=8"])
    weights = 20 * sum(weight.numel() for weight in build_method(small).parameters())
    one, two = (
        step_memory(load_config("head_mr_ct", [f"training.batch_size={n}", "network.filters=8"])) for n in (1, 2)
    )
    assert two - weights == pytest.approx(2 * (one - weights), rel=0.02)
    quarter = step_memory(
        load_config("head_mr_ct", ["training.batch_size=1", "network.filters=8", "data.patch_size=[128, 128]"])
    )
    assert one - weights == pytest.approx(4 * (quarter - weights), rel=0.05)


def test_memory_is_what_the_gradient_keeps() -> None:
    """Against what PyTorch keeps when the same step runs in earnest."""
    config = load_config("demo", ["data.patch_size=[64, 64]", "network.filters=8", "network.blocks=2"])
    method = build_method(config)
    images = [torch.rand(1, 1, 64, 64) for _ in range(5)]
    batch = Batch(images[0], images[1], Pair(*images[2:]))
    kept: dict[int, int] = {}
    alive = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        alive.append(tensor)
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda packed: packed):
        method.generator_losses(batch, method(batch))
    weights = {weight.untyped_storage().data_ptr() for weight in method.parameters()}
    expected = sum(size for place, size in kept.items() if place not in weights)
    parameters = 20 * sum(weight.numel() for weight in method.parameters())
    assert step_memory(config, half_precision=False) - parameters == pytest.approx(expected, rel=0.05)


@pytest.fixture(scope="module")
def planned(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("planned") / "store"
    assert execute(["prepare", str(store), "--mr", str(cohort / "mr"), "--ct", str(cohort / "ct")]) == 0
    return store


def test_a_network_is_planned_that_has_the_keys_set_by_hand() -> None:
    assert plan(HEADS, HEADS, CPU).config().network.name == "unet"
    for mr in (HEADS, None):
        blocks = plan(mr, HEADS, CPU, {"network.blocks": 2})
        assert (blocks.config().network.name, blocks.config().network.blocks) == ("resnet", 2)
        assert "network.blocks is set by the user" in blocks.text()
    assert plan(HEADS, HEADS, GPU, {"network.shuffle": 1}).config().network.name == "unet"
    with pytest.raises(ConfigError, match=r"auto: network\.blocks: unet has no such key"):
        plan(HEADS, HEADS, CPU, {"network.blocks": 2, "network.name": "unet"}).config()


@pytest.mark.parametrize(("method", "device"), [*((method, GPU) for method in METHODS), ("cyclegan", CPU)])
def test_every_method_can_be_planned_by_hand(method: str, device: Device) -> None:
    planned = plan(HEADS, HEADS, device, {"method.name": method})
    assert planned.config().method.name == method
    kept = yaml.safe_load(planned.text())
    assert parse_config(kept, "plan") == planned.config()  # nothing in it is of another method


SMALL = ["--set=network.filters=4", "--set=network.levels=2", "--set=network.discriminator_filters=4"]


@pytest.mark.slow
def test_prepare_writes_the_plan_and_train_follows_it(planned: Path, tmp_path, capfd) -> None:
    config = load_config(str(planned / "config.yaml"))
    assert config.network.spatial_dims == 2
    run = tmp_path / "run"
    assert (
        execute(["train", "auto", "--store", str(planned), "--output", str(run), *SMALL, "--set=training.max_steps=1"])
        == 0
    )
    assert load_config(str(run / "config.yaml")).data == config.data
    assert "1 steps" in capfd.readouterr().out


@pytest.mark.slow
def test_a_planned_store_grows(cohort: Path, planned: Path, tmp_path, capfd) -> None:
    store = tmp_path / "store"
    shutil.copytree(planned, store)
    before = (store / "config.yaml").read_text()
    shutil.copytree(cohort, tmp_path / "data")
    shutil.copy(cohort / "test" / "mr" / "case000.nii.gz", tmp_path / "data" / "mr")
    folders = ["--mr", str(tmp_path / "data" / "mr"), "--ct", str(tmp_path / "data" / "ct")]
    assert execute(["prepare", str(store), *folders]) == 0
    assert "3 MR and 2 CT" in capfd.readouterr().out
    assert (store / "config.yaml").read_text() == before


@pytest.mark.slow
def test_train_auto_on_two_folders(cohort: Path, tmp_path, capfd) -> None:
    folders = ["--mr", str(cohort / "mr"), "--ct", str(cohort / "ct"), "--output", str(tmp_path / "run")]
    assert execute(["train", "auto", *folders, *SMALL, "--set=training.max_steps=2"]) == 0
    out = capfd.readouterr().out
    assert "patch_size" in out
    assert execute(["train", "auto", *folders, "--resume", "--set=training.max_steps=3"]) == 0
    out = capfd.readouterr().out
    assert "3 steps" in out
    assert "auto: method cyclegan, 2D" in out
    assert "# Planned" not in out  # goes on with the run's own settings
    (store,) = tmp_path.glob("medcycle-store-*")
    assert "set by the user" in (store / "config.yaml").read_text()


@pytest.mark.slow
def test_a_plan_suits_the_run_that_it_begins_with(cohort: Path, tmp_path, capfd) -> None:
    plain = ["--set=training.max_steps=1", "--set=training.validations=0", "--set=data.deformed_ct=0"]
    few = ["--set=network.filters=4", "--set=network.levels=4", "--set=training.batch_size=1"]
    first, second = tmp_path / "first", tmp_path / "second"
    ct = ["--ct", str(cohort / "ct")]
    assert execute(["train", "auto", *ct, "--output", str(first), *few, *plain]) == 0
    both = ["--mr", str(cohort / "mr"), *ct, "--output", str(second), "--init-from", str(first)]
    assert execute(["train", "auto", *both, *plain]) == 0
    assert f"initialised from {first}: generators.target" in capfd.readouterr().out
    begun, planned = (load_config(str(run / "config.yaml")) for run in (first, second))
    assert planned.method.name == "cyclegan"
    assert planned.network == begun.network
    assert planned.data.spacing == begun.data.spacing


@pytest.mark.slow
def test_what_does_not_fit_is_found_before_the_work(cohort: Path, planned: Path, tmp_path, capfd) -> None:
    run = ["train", "auto", "--store", str(planned), "--set=training.max_steps=1"]
    assert execute([*run, "--output", str(tmp_path / "first"), *SMALL]) == 0
    capfd.readouterr()
    folders = ["--mr", str(cohort / "mr"), "--ct", str(cohort / "ct"), "--output", str(tmp_path / "second")]
    assert execute(["train", "demo", *folders, "--init-from", str(tmp_path / "first")]) == 2
    said = capfd.readouterr()
    assert "its settings differ" in said.err
    assert "preparing" not in said.err
    assert not (tmp_path / "second").exists()


def test_a_wrong_place_is_found_before_the_work(cohort: Path, capfd) -> None:
    folders = ["--mr", str(cohort / "mr"), "--ct", str(cohort / "ct")]
    assert execute(["prepare", str(cohort / "mr"), *folders]) == 2
    said = capfd.readouterr().err
    assert "not empty and not a store" in said
    assert "measuring" not in said


def test_auto_needs_something_to_plan_for(store, tmp_path, capfd) -> None:
    assert execute(["train", "auto", "--store", str(store.root), "--output", str(tmp_path / "run")]) == 2
    assert "prepared without a plan" in capfd.readouterr().err
    assert execute(["train", "auto", "--output", str(tmp_path / "run")]) == 2
    assert "no data" in capfd.readouterr().err
