"""The verifier's view of loads, on a struct with a union in it."""

from __future__ import annotations

import pytest
from sketch import Kernel

from syscast.passes.verifier_walk import Walked, walk


@pytest.fixture(scope="module")
def kernel():
    return Kernel()


@pytest.mark.parametrize(
    ("offset", "size", "scalar"),
    [
        (8, 2, True),  # num
        (0, 8, True),  # the union's first member
        (0, 4, True),  # another member of it, seen as a part of the first
        (8, 4, False),  # more than num has
        (10, 2, False),  # a hole
        (54, 2, True),  # an element of ports
        (54, 4, False),  # two elements
        (36, 1, True),  # a bool behind bit fields
        (24, 8, True),  # char *
        (40, 8, True),  # __user *
        (64, 8, False),  # beyond the end
    ],
)
def test_scalars(kernel, offset, size, scalar):
    assert walk(kernel.btf, kernel.sock, offset, size) == (Walked(0) if scalar else None)


def test_pointers_to_structs(kernel):
    assert walk(kernel.btf, kernel.sock, 16, 8) == Walked(kernel.net)
    assert walk(kernel.btf, kernel.sock, 16, 4) is None
    assert walk(kernel.btf, kernel.socket, 8, 8) == Walked(kernel.sock)
    assert walk(kernel.btf, kernel.socket, 16, 8) == Walked(0)
