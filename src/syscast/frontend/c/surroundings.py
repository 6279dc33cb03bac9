"""What the caller tells the C front end of the kernel that a text is compiled for.

The compile tower never asks the running kernel: whoever calls it does, and hands the answers in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syscast.btf.lookup import Btf


class Surroundings(Protocol):
    """Facts of one kernel, asked for only where a text needs them."""

    @property
    def arch(self) -> str:
        """Machine: ``x86_64`` or ``aarch64``."""
        ...

    @property
    def btf(self) -> Btf:
        """Types of the kernel."""
        ...

    @property
    def config(self) -> Mapping[str, str] | None:
        """The kernel's configuration, ``CONFIG_X`` to ``y``, ``m`` or a value; None where it is not known."""
        ...

    @property
    def version_code(self) -> int:
        """``LINUX_VERSION_CODE``, for texts that ask; syscast itself never does."""
        ...

    @property
    def possible_cpus(self) -> int:
        """CPUs that there can be."""
        ...

    @property
    def page_size(self) -> int:
        """Bytes of a page."""
        ...

    def module_with(self, name: str, kind: str) -> Btf | None:
        """Types of the loaded module that declares a name: ``struct``, ``union``, ``enum``, ``typedef`` or ``func``."""
        ...

    def has_helper(self, name: str) -> bool:
        """Whether the kernel has a helper (name without ``bpf_``), which its types say (enum bpf_func_id)."""
        ...

    def syscall_wrapper(self) -> bool:
        """Whether system calls get their arguments in a ``struct pt_regs`` (CONFIG_ARCH_HAS_SYSCALL_WRAPPER)."""
        ...

    def tracepoint_format(self, category: str, event: str) -> str | None:
        """Text of the tracepoint's ``format`` file; None where there is no such tracepoint."""
        ...

    def include(self, name: str, directory: str) -> tuple[str, bytes] | None:
        """Path and content of a user's file named by ``#include "name"`` in a file of a directory."""
        ...
