"""What this machine says about itself: CPUs, rights, limits, switches, clocks, processes.

Everything is read when asked for, not at import. Files that cannot be read give None.
"""

from __future__ import annotations

import os
import struct
import time
from typing import TYPE_CHECKING

from syscast.errors import FormatError
from syscast.kernel.syscalls import address, syscall
from syscast.kernel.textfiles import device_and_inode, read_bytes, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PAGE_SIZE = os.sysconf("SC_PAGESIZE")

# include/uapi/linux/capability.h, by bit.
_CAPABILITIES = {
    "CAP_DAC_READ_SEARCH": 2,
    "CAP_NET_ADMIN": 12,
    "CAP_IPC_LOCK": 14,
    "CAP_SYS_PTRACE": 19,
    "CAP_SYS_ADMIN": 21,
    "CAP_SYS_RESOURCE": 24,
    "CAP_SYSLOG": 34,
    "CAP_PERFMON": 38,
    "CAP_BPF": 39,
}
_CAPABILITY_VERSION_3 = 0x20080522
# PROC_USER_INIT_INO and PROC_PID_INIT_INO, include/linux/proc_ns.h.
_FIRST_USER_NAMESPACE = 0xEFFFFFFD
FIRST_PID_NAMESPACE = 0xEFFFFFFC


def parse_cpu_list(text: str) -> tuple[int, ...]:
    """The numbers in the kernel's list form, such as ``0-3,8``; raises FormatError."""
    numbers: list[int] = []
    for part in text.strip().split(","):
        first, dash, last = part.partition("-")
        try:
            numbers += range(int(first), int(last if dash else first) + 1)
        except ValueError:
            raise FormatError(f"cpu list '{text.strip()}': parse: bad range '{part}'") from None
    return tuple(numbers)


def possible_cpus() -> int:
    """How many values a per-CPU map holds: the highest possible CPU's number + 1.

    Raises:
        OSError: /sys is not mounted.
    """
    return max(parse_cpu_list(read_bytes("/sys/devices/system/cpu/possible").decode())) + 1


def online_cpus() -> tuple[int, ...]:
    """Numbers of the CPUs that run now; raises OSError."""
    return parse_cpu_list(read_bytes("/sys/devices/system/cpu/online").decode())


def capabilities() -> frozenset[str]:
    """Effective capabilities of this thread that matter to tracing, as ``CAP_BPF``."""
    mask = capability_mask()
    return frozenset(name for name, bit in _CAPABILITIES.items() if mask >> bit & 1)


def capability_mask() -> int:
    """All effective capabilities of this thread as a u64; capget(2)."""
    header = bytearray(struct.pack("<Ii", _CAPABILITY_VERSION_3, 0))
    data = bytearray(24)
    if syscall("capget", address(header), address(data)) < 0:
        return 0
    low, _, _, high, _, _ = struct.unpack("<6I", data)
    return int(low | high << 32)


def in_first_user_namespace() -> bool:
    """Whether capabilities count for the whole machine (not inside a user namespace)."""
    found = device_and_inode("/proc/self/ns/user")
    return found is None or found[1] == _FIRST_USER_NAMESPACE


def lockdown() -> str | None:
    """``none``, ``integrity`` or ``confidentiality``; None where the kernel has no lockdown."""
    # The file reads "none [integrity] confidentiality".
    text = read_text("/sys/kernel/security/lockdown")
    if text is None or "[" not in text:
        return None
    return text.partition("[")[2].partition("]")[0]


def sysctl(name: str) -> int | None:
    """A number from /proc/sys, such as ``kernel/kptr_restrict``; None if it is not there."""
    text = read_text(f"/proc/sys/{name}")
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None


def sysctls() -> Mapping[str, int | None]:
    """The switches that decide about tracing, by their names under /proc/sys."""
    names = (
        "kernel/kptr_restrict",
        "kernel/perf_event_paranoid",
        "kernel/unprivileged_bpf_disabled",
        "kernel/bpf_stats_enabled",
        "kernel/ftrace_enabled",
        "debug/kprobes-optimization",
        "net/core/bpf_jit_enable",
        "net/core/bpf_jit_harden",
        "net/core/bpf_jit_limit",
    )
    return {name: sysctl(name) for name in names}


def kprobes_enabled() -> bool | None:
    """The switch in debugfs; None where it cannot be read or there are no kprobes."""
    text = read_text("/sys/kernel/debug/kprobes/enabled")
    return None if text is None else text == "1"


def boot_id() -> str:
    """Changes with every boot; empty if /proc does not tell."""
    return read_text("/proc/sys/kernel/random/boot_id") or ""


def kernel_config() -> Mapping[str, str] | None:
    """``CONFIG_*`` options that are set, with their values, if the kernel shows its own."""
    try:
        packed = read_bytes("/proc/config.gz")
    except OSError:
        release = read_text("/proc/sys/kernel/osrelease")
        found = read_text(f"/boot/config-{release}")
        if found is None:
            return None
        text = found
    else:
        import gzip  # noqa: PLC0415  # only doctor needs it

        text = gzip.decompress(packed).decode("utf-8", "replace")
    lines = (line.partition("=") for line in text.splitlines() if line.startswith("CONFIG_"))
    return {name: value.strip('"') for name, _, value in lines}


def wall_offset_ns(clock: int = time.CLOCK_BOOTTIME) -> int:
    """What to add to a kernel time stamp to get wall clock time, in nanoseconds.

    Measured between two readings of the wall clock, the tightest of five pairs: right to about
    a microsecond, until the wall clock is set.

    Args:
        clock: CLOCK_BOOTTIME for ``bpf_ktime_get_boot_ns``, CLOCK_MONOTONIC for
            ``bpf_ktime_get_ns``.
    """
    best: tuple[int, int] | None = None
    for _ in range(5):
        before = time.time_ns()
        kernel = time.clock_gettime_ns(clock)
        after = time.time_ns()
        if best is None or 0 <= after - before < best[0]:
            best = (after - before, (before + after) // 2 - kernel)
    assert best is not None
    return best[1]


def memlock_limit() -> tuple[int, int]:
    """RLIMIT_MEMLOCK, soft and hard, in bytes; -1 is unlimited."""
    import resource  # noqa: PLC0415  # 1 ms, and only old kernels need it

    return resource.getrlimit(resource.RLIMIT_MEMLOCK)


def raise_memlock() -> bool:
    """Lift RLIMIT_MEMLOCK as far as allowed; tells whether it is unlimited now.

    Kernels that account BPF memory to the memory cgroup (``features.probe("memcg_accounting")``)
    do not look at it.
    """
    import resource  # noqa: PLC0415  # 1 ms, and only old kernels need it

    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    _, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    for wanted in (unlimited, (hard, hard)):
        try:
            resource.setrlimit(resource.RLIMIT_MEMLOCK, wanted)
        except (OSError, ValueError):
            continue
        return wanted[0] == resource.RLIM_INFINITY
    return False


def raise_open_files(wanted: int) -> int:
    """Lift the soft limit of open descriptors to what is wanted, as far as the hard one allows.

    Returns:
        The limit then; it is never lowered.
    """
    import resource  # noqa: PLC0415  # 1 ms, and only many attachments need it

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft == unlimited or soft >= wanted:
        return wanted if soft == unlimited else soft
    raised = wanted if hard == unlimited else min(wanted, hard)
    if raised > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
    return max(raised, soft)


def namespace_inode(pid: int | str, kind: str, proc: str = "/proc") -> int | None:
    """Inode of a process's namespace (``net``, ``pid``, ``mnt``, ...); None once it is gone."""
    found = device_and_inode(f"{proc}/{pid}/ns/{kind}")
    return found[1] if found else None


def pid_namespace() -> tuple[int, int] | None:
    """Device and inode of this process's pid namespace, for ``bpf_get_ns_current_pid_tgid``."""
    return device_and_inode("/proc/self/ns/pid")


def in_first_pid_namespace() -> bool:
    """Whether the kernel's process numbers are those that this process sees."""
    found = pid_namespace()
    return found is None or found[1] == FIRST_PID_NAMESPACE


def comm(pid: int) -> str | None:
    """A process's name, undecodable bytes as surrogates; None once it is gone."""
    return read_text(f"/proc/{pid}/comm")


def cgroup_paths(pid: int | str = "self") -> Mapping[str, str]:
    """A process's cgroup path by controller list; the key of the unified hierarchy is ``""``.

    Empty once the process is gone.
    """
    text = read_text(f"/proc/{pid}/cgroup") or ""
    fields = (line.split(":", 2) for line in text.splitlines())
    return {controllers: path for _, controllers, path in fields}


def mounts(kind: str) -> Iterator[str]:
    """Mount points of file systems of a type, such as ``tracefs``, in mount order."""
    text = read_text("/proc/self/mounts") or ""
    for line in text.splitlines():
        fields = line.split(" ")
        if len(fields) > 2 and fields[2] == kind:
            # Blanks are written in octal, proc(5).
            yield fields[1].encode().decode("unicode_escape")
