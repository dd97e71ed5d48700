"""Memory that training steps take and give back."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

_PAGE_FAULTS = """
import resource
import torch
from torch import nn
from damrep.training import TrainingOptions, train

class Zero:
    module = nn.Linear(1, 1)
    def batches(self, generator):
        yield torch.ones(8, 1)
    def loss(self, batch):
        return self.module(batch).square().mean()

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        blocks = [torch.ones(2**18) for _ in range(8)]
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

train(Zero(), TrainingOptions(max_epochs=1, device="cpu"))
faults()
print(faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the thresholds are glibc's")
def test_steps_use_the_memory_that_was_freed() -> None:
    """Eight blocks of a megabyte, taken and given back twenty times: else 40,000 pages, mostly."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC", "GLIBC"))}
    found = subprocess.run(
        [sys.executable, "-c", _PAGE_FAULTS],
        check=True,
        capture_output=True,
        text=True,
        env=environment | {"OMP_NUM_THREADS": "1"},
    )
    assert int(found.stdout) < 4_000
