"""The image pool."""

import torch

from medcycle.training.pool import ImagePool


def numbers(pool: ImagePool, first: int, count: int) -> list[float]:
    return [pool.exchange(torch.full((1, 1, 2, 2), float(n)))[0, 0, 0, 0].item() for n in range(first, first + count)]


def test_until_it_is_full_everything_passes() -> None:
    pool = ImagePool(5, seed=0)
    assert numbers(pool, 0, 5) == [0, 1, 2, 3, 4]


def test_then_half_come_from_earlier_and_none_twice() -> None:
    pool = ImagePool(5, seed=0)
    numbers(pool, 0, 5)
    returned = numbers(pool, 5, 2000)
    earlier = [value for number, value in enumerate(returned, 5) if value != number]
    assert 0.45 < len(earlier) / 2000 < 0.55
    assert all(value < number for number, value in enumerate(returned, 5) if value != number)
    assert len(set(earlier)) == len(earlier)


def test_without_a_pool() -> None:
    assert numbers(ImagePool(0, seed=0), 0, 20) == list(range(20))


def test_the_pool_keeps_its_own_copy() -> None:
    pool = ImagePool(1, seed=0)
    image = torch.zeros(1, 1, 2, 2)
    pool.exchange(image)
    image += 9
    assert {pool.exchange(torch.full((1, 1, 2, 2), 5.0)).max().item() for _ in range(20)} <= {0.0, 5.0}


def test_a_resumed_pool_goes_on_as_the_first_would() -> None:
    first, second = ImagePool(5, seed=0), ImagePool(5, seed=7)
    numbers(first, 0, 9)
    second.load_state_dict(first.state_dict(), torch.device("cpu"))
    assert numbers(second, 9, 50) == numbers(first, 9, 50)
