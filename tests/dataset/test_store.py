"""A store whose files are damaged."""

import shutil

import numpy as np
import pytest

from medcycle.dataset.store import Store
from medcycle.errors import DataError


@pytest.fixture
def case(store: Store, tmp_path):
    shutil.copytree(store.root, tmp_path / "s")
    return Store.open(tmp_path / "s").mr[0]


def test_a_file_cut_while_in_use_is_an_error(case) -> None:
    case.require_whole()
    path = case.folder / "image.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"image\.npy: cut short while it was in use"):
        case.require_whole()


@pytest.mark.parametrize("name", ["image.npy", "body.npy"])
def test_a_file_cut_before_is_damaged(case, name: str) -> None:
    path = case.folder / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=f"{name}: the stored array is damaged"):
        case.require_whole()


def test_an_array_of_another_shape_or_kind_is_damaged(case) -> None:
    for wrong in (np.zeros((2, 2, 2), np.float16), np.zeros(case.record.shape, np.float64)):
        np.save(case.folder / "image.npy", wrong)
        with pytest.raises(DataError, match="damaged"):
            _ = case.image
