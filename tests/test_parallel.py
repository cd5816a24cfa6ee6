"""Work over processes, some of which are killed."""

import os
import signal
import time
from pathlib import Path

import pytest

from medcycle.errors import WorkerLost
from medcycle.parallel import parallel_map

ITEMS = [*range(12)]


def double(number: int) -> int:
    return 2 * number


def double_or_die(number: int) -> int:
    if number in (3, 7):
        os.kill(os.getpid(), signal.SIGKILL)
    return double(number)


def double_or_die_once(place: Path) -> str:
    """Killed in the first process that comes to the fifth item."""
    if place.name == "5" and not place.exists():
        place.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return place.name * 2


def die(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def fail(number: int) -> int:
    if number == 2:
        raise ZeroDivisionError("of the second")
    time.sleep(0.01)
    return number


def none(item: object) -> int:
    return -1


@pytest.mark.slow
@pytest.mark.parametrize("together", [1, 3])
def test_a_killed_process_costs_its_own_item_alone(together: int) -> None:
    made = list(parallel_map(double_or_die, ITEMS, 2, killed=none, together=together))
    assert made == [(number, -1 if number in (3, 7) else 2 * number) for number in ITEMS]


@pytest.mark.slow
def test_what_was_beside_a_killed_process_is_done_again(tmp_path: Path) -> None:
    places = [tmp_path / str(number) for number in range(9)]
    made = dict(parallel_map(double_or_die_once, places, 2, killed=lambda place: "killed"))
    assert made == {place: place.name * 2 for place in places}


@pytest.mark.slow
def test_processes_that_all_die_end_the_work() -> None:
    with pytest.raises(WorkerLost, match="--workers 1"):
        list(parallel_map(die, ITEMS, 2, killed=none))


def test_an_error_of_the_work_is_raised_in_its_place() -> None:
    results = parallel_map(fail, ITEMS, 2, killed=none)
    assert [next(results), next(results)] == [(0, 0), (1, 1)]
    with pytest.raises(ZeroDivisionError, match="of the second"):
        next(results)


def test_few_items_need_no_process() -> None:
    assert list(parallel_map(os.getpgid, [0], 8, killed=none)) == [(0, os.getpgid(0))]
