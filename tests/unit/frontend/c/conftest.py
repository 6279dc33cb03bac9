"""Kernels to compile C for in tests: types made by hand, or those of the machine that runs the tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from syscast.btf import source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syscast.btf.lookup import Btf

RUNNING = Path("/sys/kernel/btf/vmlinux")


@dataclass
class Kernel:
    """A `Surroundings` that says what a test wants."""

    btf: Btf
    arch: str = "x86_64"
    config: Mapping[str, str] | None = None
    version_code: int = 6 << 16
    possible_cpus: int = 4
    page_size: int = 4096
    modules: dict[tuple[str, str], Btf] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def module_with(self, name: str, kind: str) -> Btf | None:
        self.asked.append((name, kind))
        return self.modules.get((name, kind))

    def has_helper(self, name: str) -> bool:
        return bool(name)

    def syscall_wrapper(self) -> bool:
        return True

    def tracepoint_format(self, category: str, event: str) -> str | None:
        del category, event
        return None

    def include(self, name: str, directory: str) -> tuple[str, bytes] | None:
        del directory
        content = self.files.get(name)
        return None if content is None else (name, content)


@pytest.fixture
def make_kernel():
    """`Kernel(btf, ...)`, for tests that make their own types."""
    return Kernel


@pytest.fixture
def running_kernel():
    """The kernel of this machine; skips the test where it has no BTF."""
    if not RUNNING.exists():
        pytest.skip("this kernel has no BTF")
    return Kernel(source.kernel())
