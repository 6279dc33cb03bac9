"""Random C programs of a fixed seed: the kernel and gcc agree. `./dev differential-c` runs as many as wanted."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

from differential_c.engine import batch
from differential_c.grammar import generate
from syscast.btf import source

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc to compare with"),
]


@pytest.fixture(scope="module", autouse=True)
def _kernels_types():
    """Opened once for all, before the first test looks for descriptors that are left behind."""
    source.kernel()


@pytest.mark.parametrize("first", range(0, 48, 16))
def test_c_means_what_gcc_makes_of_it(first):
    tally = batch([generate(4, number) for number in range(first, first + 16)], 4, 40)
    assert [(each.what, each.program.text()) for each in tally.findings] == []
    assert tally.programs > 12
