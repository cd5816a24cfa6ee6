"""What is unlike the scans that a network was trained on."""

from dataclasses import replace

import numpy as np
import pytest

from medcycle.config import DataConfig
from medcycle.dataset.preparation import prepare_volume
from medcycle.dataset.profile import Profile, Profiles, profile_of
from medcycle.dataset.store import Store
from medcycle.phantom import HeadPhantom, head_grid

PLAIN = Profile((1.0, 1.0, 3.0), (240.0, 240.0, 160.0), (150.0, 190.0, 150.0), 0.6, tuple(np.linspace(-0.8, 0.8, 9)))
SEEN = Profiles("mr", [PLAIN.to_dict(), replace(PLAIN, body=(160.0, 200.0, 160.0)).to_dict()])


def test_what_was_seen_is_alike() -> None:
    assert SEEN.unlike(PLAIN) == []
    assert SEEN.unlike(replace(PLAIN, body=(170.0, 180.0, 140.0), spacing=(1.1, 0.9, 3.3))) == []
    assert SEEN.unlike(replace(PLAIN, body=(125.0, 190.0, 150.0))) == []  # small in one direction alone


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"spacing": (1.0, 1.0, 6.0)}, "voxels measure 6 mm foot-head; 3 mm in the training MR"),
        ({"field": (240.0, 480.0, 160.0)}, "the field of view measures 480 mm front-back"),
        ({"body": (350.0, 190.0, 150.0)}, "the body measures 350 mm right-left; 150 to 160 mm in the training MR"),
        ({"body": (130.0, 165.0, 150.0)}, "130 by 165 mm right-left and front-back, and at least 150 by 190 mm"),
        ({"body": (110.0, 165.0, 150.0)}, "the body measures 110 mm right-left; 150 to 160 mm in the training MR"),
        ({"body": (150.0, 190.0, 40.0)}, "the scan covers only 40 mm foot-head; 150 to 160 mm in the training MR"),
        ({"section": 0.3}, "the body fills 30% of its bounding box; 60 % in the training MR"),
        ({"deciles": tuple(np.linspace(0.8, -0.8, 9))}, "the grey values are unlike those of the training MR"),
    ],
)
def test_what_was_not_is_said(other: dict, words: str) -> None:
    (found,) = SEEN.unlike(replace(PLAIN, **other))
    assert words in found


def test_of_the_other_modality_bodies_alone_are_compared() -> None:
    bodies = Profiles("ct", [PLAIN.to_dict()], bodies_alone=True)
    assert bodies.unlike(replace(PLAIN, spacing=(9.0, 9.0, 9.0), deciles=(0.0,) * 9)) == []
    assert len(bodies.unlike(replace(PLAIN, body=(400.0, 190.0, 150.0)))) == 1


@pytest.mark.parametrize("orientation", ["RAS", "LPI", "SRA", "PIL"])
@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal", "all"])
def test_a_profile_does_not_depend_on_how_the_scan_is_stored(orientation: str, plane: str) -> None:
    head = HeadPhantom.random(3)
    config = DataConfig(spacing=(4, 4, 4), plane=plane)
    grids = [head_grid(spacing=(4, 4, 4)), head_grid(spacing=(4, 4, 4), orientation=orientation)]
    one, other = (profile_of(grid, prepare_volume(head.mr(grid), "mr", config), plane) for grid in grids)
    np.testing.assert_allclose(one.body, other.body, atol=4)
    assert one.section == pytest.approx(other.section, abs=0.02)
    np.testing.assert_allclose(one.deciles, other.deciles, atol=0.03)
    assert one.body[1] > one.body[0]  # heads are longer than wide


def test_a_store_keeps_the_profiles(store: Store) -> None:
    for case in (*store.mr, *store.ct):
        profile = Profile(**case.record.profile)
        assert list(profile.spacing) == [4.0, 4.0, 5.0]
        assert 120 < profile.body[0] < 200


def test_one_scan_that_was_trained_on_is_enough_to_compare_with() -> None:
    alone = Profiles("mr", [PLAIN.to_dict()])
    assert alone.unlike(PLAIN) == []
    (found,) = alone.unlike(replace(PLAIN, deciles=tuple(np.linspace(0.8, -0.8, 9))))
    assert "grey values are unlike" in found
