from __future__ import annotations

import gc
import pathlib
from typing import TYPE_CHECKING

import pytest

from syscast.kernel import host

if TYPE_CHECKING:
    from collections.abc import Iterator


def open_files() -> dict[str, str]:
    found = {}
    for link in pathlib.Path("/proc/self/fd").iterdir():
        try:
            found[link.name] = str(link.readlink())
        except FileNotFoundError:
            continue
    return found


@pytest.fixture(autouse=True)
def no_leaked_descriptor() -> Iterator[None]:
    before = open_files()
    yield
    gc.collect()
    leaked = {key: value for key, value in open_files().items() if before.get(key) != value}
    assert not leaked


@pytest.fixture
def bpf() -> None:
    """Skip where bpf(2) is not ours to use."""
    if not {"CAP_BPF", "CAP_SYS_ADMIN"} & host.capabilities():
        pytest.skip("needs CAP_BPF")
