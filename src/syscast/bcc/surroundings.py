"""What the C front end asks about the kernel, answered by the kernel that runs."""

from __future__ import annotations

import os
import re
from functools import cache, cached_property
from typing import TYPE_CHECKING

from syscast.btf import source, types
from syscast.kernel import host, tracefs
from syscast.kernel.syscalls import MACHINE
from syscast.kernel.textfiles import read_bytes, read_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syscast.btf.lookup import Btf
    from syscast.btf.types import Kind

VERSION_CODE = "BCC_LINUX_VERSION_CODE"
"""Environment: what ``LINUX_VERSION_CODE`` shall be; bcc's name."""

_KINDS: dict[str, Kind] = {
    "struct": types.Struct,
    "union": types.Struct,
    "enum": types.Enum,
    "typedef": types.Typedef,
    "func": types.Func,
}
_WRAPPED = ("__x64_sys_bpf", "__arm64_sys_bpf", "__s390x_sys_bpf", "__riscv_sys_bpf")
_RELEASE = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")
# Distributions whose release names end in .0 say the real version elsewhere.
_ELSEWHERE = re.compile(r"(?:Debian |^\S+ \S+ )(\d+\.\d+\.\d+)")


class Host:
    """This machine, as `syscast.frontend.c.surroundings.Surroundings` asks for it."""

    @property
    def arch(self) -> str:
        return MACHINE

    @property
    def btf(self) -> Btf:
        """Raises NotSupportedError where the kernel has none."""
        return source.kernel()

    @cached_property
    def config(self) -> Mapping[str, str] | None:
        return host.kernel_config()

    @cached_property
    def version_code(self) -> int:
        override = os.environ.get(VERSION_CODE, "")
        if override:
            try:
                return int(override, 0)
            except ValueError:
                pass
        return version_code(
            read_text("/proc/version_signature") or read_text("/proc/sys/kernel/version") or "",
            read_text("/proc/sys/kernel/osrelease") or "",
        )

    @cached_property
    def possible_cpus(self) -> int:
        return host.possible_cpus()

    @property
    def page_size(self) -> int:
        return host.PAGE_SIZE

    def module_with(self, name: str, kind: str) -> Btf | None:
        wanted = _KINDS[kind]
        for each in source.modules():
            found = source.module(each)
            if any(isinstance(found.type(at), wanted) for at in _own(found, name, wanted)):
                return found
        return None

    def has_helper(self, name: str) -> bool:
        return f"BPF_FUNC_{name}" in self._helpers

    @cached_property
    def _helpers(self) -> frozenset[str]:
        found = self.btf.find("bpf_func_id", types.Enum)
        enum = None if found is None else self.btf.type(found)
        return frozenset(
            each.name for each in (enum.values if isinstance(enum, types.Enum) else ())
        )

    def syscall_wrapper(self) -> bool:
        return wrapped()

    def tracepoint_format(self, category: str, event: str) -> str | None:
        """Raises NotSupportedError where tracefs is not mounted."""
        try:
            data = read_bytes(f"{tracefs.root()}/events/{category}/{event}/format")
        except OSError:
            return None
        return data.decode("utf-8", "replace")

    def include(self, name: str, directory: str) -> tuple[str, bytes] | None:
        path = os.path.join(directory, name)  # noqa: PTH118 - pathlib costs a start 5 ms
        try:
            # Of a device or a pipe no read may ever end.
            return (path, read_bytes(path)) if os.path.isfile(path) else None  # noqa: PTH113
        except OSError:
            return None


@cache
def wrapped() -> bool:
    """Whether system calls get one ``struct pt_regs`` (CONFIG_ARCH_HAS_SYSCALL_WRAPPER)."""
    return any(source.kernel().find(name, types.Func) is not None for name in _WRAPPED)


def version_code(version: str, release: str) -> int:
    """``LINUX_VERSION_CODE``: what the kernel's package calls itself counts before its release."""
    elsewhere = _ELSEWHERE.search(version)
    found = _RELEASE.match(elsewhere[1] if elsewhere else release)
    if found is None:
        return 0
    major, minor, patch = (int(part or 0) for part in found.groups())
    return major << 16 | minor << 8 | min(patch, 255)


def _own(btf: Btf, name: str, kind: Kind) -> list[int]:
    return [at for at in btf.find_all(name, kind) if at >= btf.start_id]
