"""The signal of tissues in MR sequences."""

from typing import get_args

import pytest
import torch

from medcycle.config.sections import Family
from medcycle.phantom import T1_GRADIENT_ECHO, T2_SPIN_ECHO, MrProtocol, Tissue
from medcycle.simulation.tissues import FAMILIES, HIDDEN, VISIBLE, sequence_signal, tissue_signals


def test_the_configuration_names_all_families() -> None:
    assert get_args(Family) == tuple(FAMILIES)


def signal_of(tissue: str, **timing: float) -> float:
    matter = (VISIBLE | HIDDEN)[tissue]
    given = {"tr": 0.0, "te": 0.0, "ti": 0.0, "flip": 90.0, "t1": matter.t1, "t2": matter.t2, "t2_star": matter.t2_star}
    values = {name: torch.tensor(value) for name, value in (given | timing).items()}
    return matter.density * sequence_signal(**values).item()


def test_sequences_give_their_known_contrast() -> None:
    def order(**timing: float) -> list[str]:
        return sorted(("fat", "soft", "grey matter", "fluid"), key=lambda tissue: -signal_of(tissue, **timing))

    t1 = ["fat", "soft", "grey matter", "fluid"]  # soft is white matter
    assert order(tr=500.0, te=12.0) == t1
    assert order(tr=15.0, te=4.0, flip=25.0) == t1
    assert order(tr=4000.0, te=100.0)[0] == "fluid"
    assert order(tr=5000.0, te=50.0, ti=160.0)[-1] != "fluid"


@pytest.mark.parametrize("protocol", [T1_GRADIENT_ECHO, T2_SPIN_ECHO], ids=["gradient echo", "spin echo"])
def test_the_signal_is_that_of_the_phantom(protocol: MrProtocol) -> None:
    flip = protocol.flip_angle if protocol.sequence == "gradient_echo" else 90.0
    for name, tissue in (("fat", Tissue.FAT), ("fluid", Tissue.CSF), ("soft", Tissue.WHITE_MATTER)):
        given = signal_of(name, tr=protocol.repetition_time, te=protocol.echo_time, flip=flip)
        assert given == pytest.approx(protocol.signal(tissue), rel=1e-5)


@pytest.mark.parametrize(("family", "nulled", "beside"), [("stir", "fat", "muscle"), ("flair", "fluid", "soft")])
def test_inversion_nulls_what_the_sequence_is_for(family: str, nulled: str, beside: str) -> None:
    signals = drawn((family,), suppressed_share=0.0)
    relative = signals[nulled] / signals[beside]
    assert relative.median() < 0.2
    assert relative.quantile(0.95) < 0.5
    plain = drawn(("pd",), suppressed_share=0.0)
    assert (plain[nulled] / plain[beside]).median() > 0.4


def test_only_ultrashort_echoes_show_cortical_bone() -> None:
    ultrashort, usual = (signal_of("bone", tr=10.0, te=te, flip=8.0) for te in (0.05, 3.0))
    assert ultrashort > 0.2 * signal_of("muscle", tr=10.0, te=0.05, flip=8.0)
    assert ultrashort > 100 * usual


def drawn(families: tuple[str, ...], **settings: float) -> dict[str, torch.Tensor]:
    return tissue_signals(500, torch.Generator().manual_seed(0), torch.device("cpu"), families=families, **settings)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_signals_are_in_range_and_bone_is_dark(share: float) -> None:
    signals = drawn(("t1", "t1 gradient echo", "t2", "pd", "flair", "stir"), physical_share=share)
    for name, values in signals.items():
        assert values.shape == (500,)
        assert values.min() >= 0
        assert values.max() <= 1
        assert values.std() > 0 or name in ("air", "metal")
    assert signals["bone"].quantile(0.9) < 0.25
    assert signals["air"].max() <= 0.05


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_gives_its_brightest_tissue_full_signal(family: str) -> None:
    values = torch.stack(list(drawn((family,)).values()))
    torch.testing.assert_close(values.abs().amax(0), torch.ones(500))


def test_a_dixon_image_is_in_phase_opposed_or_of_one_kind_of_tissue() -> None:
    signals = drawn(("dixon",))
    fat, soft = signals["fat"], signals["soft"]
    opposed, water, fat_only = (fat < 0).float(), (fat.abs() < 0.2 * soft).float(), (soft < 0.2 * fat).float()
    for kind in (opposed, water, fat_only):
        assert 0.1 < kind.mean() < 0.45


def test_a_family_named_twice_is_drawn_as_often_as_two() -> None:
    opposed = [
        (drawn(names)["fat"] < 0).float().mean().item() for names in (("dixon", "t2"), ("dixon", "dixon", "t2", "t2"))
    ]
    assert opposed[0] == pytest.approx(0.125, abs=0.05)
    assert opposed[1] == pytest.approx(0.125, abs=0.05)


def test_contrast_agent_brightens_blood() -> None:
    plain, agent = (
        drawn((family,), suppressed_share=0.0)["blood"].median() for family in ("t1 gradient echo", "t1 contrast")
    )
    assert agent > 1.5 * plain


def test_fat_is_suppressed_in_the_part_asked() -> None:
    dark = [(drawn(("t1",), suppressed_share=share)["fat"] < 0.7).float().mean() for share in (0.0, 0.5, 1.0)]
    assert dark[0] == 0
    assert 0.35 < dark[1] < 0.65
    assert dark[2] > 0.8
