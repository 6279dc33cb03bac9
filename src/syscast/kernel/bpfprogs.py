"""Programs and BTF: load, run once with given input, attach to cgroups, statistics."""

from __future__ import annotations

import errno
import time
from struct import pack, unpack_from
from typing import TYPE_CHECKING, NamedTuple

from syscast.errors import KernelError, VerifierError
from syscast.kernel import bpfcall
from syscast.kernel.bpfcall import attribute, call, checked, failure, opened, put32, put64
from syscast.kernel.descriptors import Fd
from syscast.kernel.syscalls import address

if TYPE_CHECKING:
    from collections.abc import Sequence

# enum bpf_prog_type, the ones that syscast attaches or probes with.
TYPE_SOCKET_FILTER = 1
TYPE_KPROBE = 2
TYPE_TRACEPOINT = 5
TYPE_XDP = 6
TYPE_PERF_EVENT = 7
TYPE_RAW_TRACEPOINT = 17
TYPE_TRACING = 26
TYPE_LSM = 29
TYPE_SYSCALL = 31

# enum bpf_attach_type, of the tracing programs.
TRACE_RAW_TP = 23
TRACE_FENTRY = 24
TRACE_FEXIT = 25
MODIFY_RETURN = 26
LSM_MAC = 27
TRACE_ITER = 28
PERF_EVENT = 41
TRACE_KPROBE_MULTI = 42
TRACE_UPROBE_MULTI = 48
TRACE_KPROBE_SESSION = 56
TRACE_UPROBE_SESSION = 57
TRACE_FSESSION = 58

F_SLEEPABLE = 1 << 4

# BPF_LOG_STATS of include/linux/bpf_verifier.h: the sums, and the reason of a refusal, without the walk.
LOG_STATS = 4

# Most logs are small. UINT_MAX >> 8 is what every kernel takes; newer ones take more.
_LOG_FIRST = 1 << 16
_LOG_MAX = (1 << 24) - 1
_PATIENCE = 10.0
_LONG_WALK = 0.1
"""Seconds of a refusal whose log is a long one; each attempt to get it takes as much again."""


class ProgAttr(NamedTuple):
    """What BPF_PROG_LOAD takes.

    Attributes:
        prog_type: ``BPF_PROG_TYPE_*``.
        insns: The instructions, relocated.
        license: ``GPL`` opens the helpers that are GPL only.
        name: Cut to 15 characters.
        flags: ``BPF_F_*``.
        expected_attach_type: ``BPF_TRACE_*`` and others, where the type needs one.
        btf: BTF of the program, for ``func_info`` and ``line_info``.
        func_info: Records of ``struct bpf_func_info``.
        func_info_rec_size: Bytes of one.
        line_info: Records of ``struct bpf_line_info``.
        line_info_rec_size: Bytes of one.
        attach_btf_id: Type id of the function or typedef to attach to.
        attach_btf_obj: BTF of the module that holds it; None for vmlinux.
        attach_prog: Program to attach to, instead of the kernel.
        fd_array: Descriptors that instructions name by index.
    """

    prog_type: int
    insns: bytes
    license: str = "GPL"
    name: str = ""
    flags: int = 0
    expected_attach_type: int = 0
    btf: Fd | None = None
    func_info: bytes = b""
    func_info_rec_size: int = 8
    line_info: bytes = b""
    line_info_rec_size: int = 16
    attach_btf_id: int = 0
    attach_btf_obj: Fd | None = None
    attach_prog: Fd | None = None
    fd_array: Sequence[Fd | None] = ()


class Loaded(NamedTuple):
    """A program and, where one was asked for, the verifier's log."""

    fd: Fd
    log: str


class _Request:
    """The attribute of one load and the buffers that it points to."""

    def __init__(self, attr: ProgAttr) -> None:
        self._license = attr.license.encode() + b"\0"
        self._fds = pack(
            f"<{len(attr.fd_array)}i", *[f.fileno() if f else 0 for f in attr.fd_array]
        )
        self._kept = attr
        buffer = self.buffer = attribute()
        put32(buffer, 0, attr.prog_type, len(attr.insns) // 8)
        put64(buffer, 8, address(attr.insns), address(self._license))
        put32(buffer, 44, attr.flags)
        bpfcall.put_name(buffer, 48, attr.name)
        put32(buffer, 68, attr.expected_attach_type)
        if attr.btf is not None:
            self._debug_info(attr, attr.btf)
        put32(buffer, 108, attr.attach_btf_id)
        target = attr.attach_prog or attr.attach_btf_obj
        put32(buffer, 112, target.fileno() if target else 0)
        put64(buffer, 120, address(self._fds))

    def _debug_info(self, attr: ProgAttr, btf: Fd) -> None:
        put32(self.buffer, 72, btf.fileno(), attr.func_info_rec_size if attr.func_info else 0)
        put64(self.buffer, 80, address(attr.func_info))
        put32(self.buffer, 88, len(attr.func_info) // attr.func_info_rec_size)
        put32(self.buffer, 92, attr.line_info_rec_size if attr.line_info else 0)
        put64(self.buffer, 96, address(attr.line_info))
        put32(self.buffer, 104, len(attr.line_info) // attr.line_info_rec_size)

    def load(self) -> int:
        """The descriptor's number, or ``-errno``."""
        # The signal module is only needed from here on, and costs 4 ms.
        from syscast.kernel.signals import Blocked  # noqa: PLC0415

        deadline = time.monotonic() + _PATIENCE
        with Blocked():
            return bpfcall.until(lambda: bpfcall.charged(bpfcall.PROG_LOAD, self.buffer), deadline)

    def load_with_log(self, level: int, size: int = _LOG_FIRST) -> tuple[int, str]:
        """As ``load``, with the verifier's log in a buffer that grows until the log fits."""
        while True:
            log = bytearray(size)
            put32(self.buffer, 24, level, size)
            put64(self.buffer, 32, address(log))
            result = self.load()
            put32(self.buffer, 24, 0, 0)
            put64(self.buffer, 32, 0)
            if result == -errno.ENOSPC and size < _LOG_MAX:
                size = _LOG_MAX  # each attempt walks through the whole program again
                continue
            return result, log.partition(b"\0")[0].decode("utf-8", "replace")


def prog_load(attr: ProgAttr, *, explain: bool = True) -> Fd:
    """BPF_PROG_LOAD, with signals blocked and EAGAIN retried for ten seconds.

    The log is asked for only after a refusal, by a second load.

    Args:
        attr: The program.
        explain: Whether to ask for the log of a refusal.

    Raises:
        PermissionDeniedError: EPERM; the message names the capability.
        VerifierError: Refused by the verifier; has the log.
        KernelError: Refused before the verifier ran, with an empty log.
    """
    request = _Request(attr)
    subject = f"program '{attr.name}'"
    began = time.monotonic()
    result = request.load()
    log = ""
    if result < 0 and explain and result != -errno.EPERM:
        long = time.monotonic() - began > _LONG_WALK
        result, log = request.load_with_log(1, _LOG_MAX if long else _LOG_FIRST)
        if result == -errno.ENOSPC:
            # Older kernels keep the start of a log that is too long, and the reason is at its end.
            result, reason = request.load_with_log(LOG_STATS)
            log = log.rpartition("\n")[0] + "\n" + reason
    if result < 0:
        raise _refusal(-result, f"{subject}: load", log)
    return Fd(result, subject)


def prog_load_verbose(attr: ProgAttr, level: int = 1) -> Loaded:
    """As ``prog_load``, and gives the log of a success too.

    Args:
        attr: The program.
        level: 1, 2 (every state) or 4 (statistics only), added up.
    """
    subject = f"program '{attr.name}'"
    result, log = _Request(attr).load_with_log(level)
    if result < 0:
        raise _refusal(-result, f"{subject}: load", log)
    return Loaded(Fd(result, subject), log)


def log_reason(log: str) -> str:
    """The one line of a verifier log that says why; empty if there is none.

    It is the last one before the statistics, and before the report of several paragraphs that
    newer verifiers add ("Verification failed: ...", seen in 7.3).
    """
    lines = log.partition("\nVerification failed: ")[0].splitlines()
    found = [line for line in lines if line.strip() and not line.startswith("processed ")]
    return found[-1].strip() if found else ""


def _refusal(code: int, subject: str, log: str) -> KernelError:
    name = bpfcall.NAMES[bpfcall.PROG_LOAD]
    reason = log_reason(log)
    if reason or code == errno.EACCES:
        cause = f" ({reason})" if reason else ""
        return VerifierError(f"{subject}: refused by the verifier{cause}", code, name, log)
    return failure(bpfcall.PROG_LOAD, code, subject)


def btf_load(data: bytes, what: str = "program", *, explain: bool = True) -> Fd:
    """BPF_BTF_LOAD; raises KernelError, whose message ends with the log's last line."""
    subject = f"btf '{what}'"
    buffer = attribute()
    put64(buffer, 0, address(data))
    put32(buffer, 16, len(data))
    result = bpfcall.charged(bpfcall.BTF_LOAD, buffer)
    if result >= 0:
        return Fd(result, subject)
    reason = ""
    if explain and result != -errno.EPERM:
        log = bytearray(_LOG_FIRST)
        put64(buffer, 8, address(log))
        put32(buffer, 20, len(log), 1)
        again = call(bpfcall.BTF_LOAD, buffer)
        if again >= 0:
            return Fd(again, subject)
        lines = log.partition(b"\0")[0].decode("utf-8", "replace").strip().splitlines()
        reason = lines[-1] if lines else ""
    raise failure(bpfcall.BTF_LOAD, -result, f"{subject}: load", reason)


class RunResult(NamedTuple):
    """What one BPF_PROG_TEST_RUN gave.

    Attributes:
        retval: The program's return value, u32.
        duration: Nanoseconds of one repetition, on average.
        data: What the program made of ``data_in``.
        ctx: What it made of ``ctx_in``.
    """

    retval: int
    duration: int
    data: bytes
    ctx: bytes


def prog_test_run(
    prog: Fd, *, data_in: bytes = b"", ctx_in: bytes = b"", repeat: int = 0, data_out: int = 0
) -> RunResult:
    """Run a program once, or ``repeat`` times, in this process; raises KernelError.

    Args:
        prog: The program.
        data_in: The packet, for the types that have one (at least 14 bytes there).
        ctx_in: The context, for raw tracepoint (u64 arguments) and syscall programs.
        repeat: Runs, where the type allows more than one.
        data_out: Bytes to reserve for the packet afterwards.
    """
    out = bytearray(data_out)
    # A syscall program writes its context back into ctx_in itself.
    context = bytearray(ctx_in)
    buffer = attribute()
    put32(buffer, 0, prog.fileno(), 0, len(data_in), data_out)
    put64(buffer, 16, address(data_in), address(out))
    put32(buffer, 32, repeat)
    put32(buffer, 40, len(context))
    put64(buffer, 48, address(context))
    checked(bpfcall.PROG_TEST_RUN, buffer, f"{prog.what}: test run")
    retval, _, size, _, _, _, duration = unpack_from("<IIIQQII", buffer, 4)
    return RunResult(retval, duration, bytes(out[:size]), bytes(context))


def prog_attach(target: Fd, prog: Fd, attach_type: int, flags: int = 0) -> None:
    """BPF_PROG_ATTACH to a cgroup or map; it outlives this process; raises KernelError."""
    buffer = attribute()
    put32(buffer, 0, target.fileno(), prog.fileno(), attach_type, flags)
    checked(bpfcall.PROG_ATTACH, buffer, f"{prog.what}: attach to {target.what}")


def prog_detach(target: Fd, prog: Fd, attach_type: int) -> None:
    """BPF_PROG_DETACH; raises KernelError."""
    buffer = attribute()
    put32(buffer, 0, target.fileno(), prog.fileno(), attach_type)
    checked(bpfcall.PROG_DETACH, buffer, f"{prog.what}: detach from {target.what}")


def prog_bind_map(prog: Fd, held: Fd) -> None:
    """BPF_PROG_BIND_MAP: the map lives as long as the program; raises KernelError."""
    buffer = attribute()
    put32(buffer, 0, prog.fileno(), held.fileno())
    checked(bpfcall.PROG_BIND_MAP, buffer, f"{prog.what}: bind {held.what}")


def enable_stats() -> Fd:
    """BPF_ENABLE_STATS: run counts and times of all programs, while the result is open."""
    return opened(bpfcall.ENABLE_STATS, attribute(), "statistics of programs: enable")


def obj_pin(fd: Fd, path: str) -> None:
    """BPF_OBJ_PIN in a bpf file system; raises KernelError."""
    name = path.encode() + b"\0"
    buffer = attribute()
    put64(buffer, 0, address(name))
    put32(buffer, 8, fd.fileno())
    checked(bpfcall.OBJ_PIN, buffer, f"{fd.what}: pin at '{path}'", "is a bpf file system there?")


def obj_get(path: str, flags: int = 0) -> Fd:
    """BPF_OBJ_GET of something pinned; raises KernelError."""
    name = path.encode() + b"\0"
    buffer = attribute()
    put64(buffer, 0, address(name))
    put32(buffer, 12, flags)
    return opened(bpfcall.OBJ_GET, buffer, f"pin '{path}': open")
