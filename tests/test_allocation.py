"""Memory that is kept for the next tensors."""

import ctypes
import subprocess
import sys

import pytest

FAULTS = """
import resource
import torch
from medcycle.allocation import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        several = [torch.ones(4 * 2**20) for _ in range(5)]
        several.clear()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(faults())
keep_freed_memory()
faults()
print(faults())
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="for glibc")
def test_the_memory_of_tensors_is_used_again() -> None:
    told = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    before, after = map(int, told.stdout.split())
    assert before > 1000
    assert after < before / 20
