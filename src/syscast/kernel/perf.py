"""perf events: the attach points of kprobes, uprobes and tracepoints, and rings of old kernels.

perf_event_open(2). The event's descriptor is all there is: closing it takes the probe out.
"""

from __future__ import annotations

import errno
import fcntl
from struct import pack_into, unpack_from
from typing import NamedTuple

from syscast.errors import KernelError, NotSupportedError
from syscast.kernel.descriptors import Fd
from syscast.kernel.syscalls import address, syscall
from syscast.kernel.textfiles import read_text

TYPE_HARDWARE = 0
TYPE_SOFTWARE = 1
TYPE_TRACEPOINT = 2
TYPE_HW_CACHE = 3
TYPE_RAW = 4

COUNT_SW_CPU_CLOCK = 0
COUNT_SW_TASK_CLOCK = 1
_COUNT_SW_BPF_OUTPUT = 10
_COUNT_SW_DUMMY = 9
_SAMPLE_RAW = 1 << 10
_FLAG_FD_CLOEXEC = 1 << 3
_DISABLED = 1 << 0
_INHERIT = 1 << 1
_FREQUENCY = 1 << 10
_WATERMARK = 1 << 14
_WRITE_BACKWARD = 1 << 27
_ATTR_SIZE = 112  # PERF_ATTR_SIZE_VER5; all fields used here are in it

_NEVER = (1 << 32) - 1

_IOC_ENABLE = 0x2400
_IOC_DISABLE = 0x2401
_IOC_SET_BPF = 0x40042408
_IOC_PAUSE_OUTPUT = 0x40042409

_SAMPLING_CURE = (
    "the machine has no such counter, or the rate is over kernel.perf_event_max_sample_rate"
)
_DEVICES = "/sys/bus/event_source/devices"


class _Attr(NamedTuple):
    event_type: int
    config: int = 0
    config1: int = 0
    config2: int = 0
    sample_period: int = 0
    sample_type: int = 0
    bits: int = 0
    wakeup: int = 0


class Aim(NamedTuple):
    """Whom an event watches, as perf_event_open(2) takes it.

    Attributes:
        pid: A thread; 0 for the calling one, -1 for all.
        cpu: A CPU; -1 for any, with a thread.
        group: Descriptor of the group's leader, or -1.
        flags: ``PERF_FLAG_*``; close-on-exec is always added.
    """

    pid: int = -1
    cpu: int = -1
    group: int = -1
    flags: int = 0


def _open(attr: _Attr, what: str, *, pid: int = -1, cpu: int = 0, cure: str = "") -> Fd:
    buffer = bytearray(_ATTR_SIZE)
    pack_into("<IIQQQQQ", buffer, 0, attr.event_type, _ATTR_SIZE, attr.config,
              attr.sample_period, attr.sample_type, 0, attr.bits)  # fmt: skip
    pack_into("<IIQQ", buffer, 48, attr.wakeup, 0, attr.config1, attr.config2)
    return _call(buffer, what, Aim(pid, cpu), cure)


def _call(attr: bytearray, what: str, aim: Aim, cure: str = "") -> Fd:
    group, flags = aim.group, aim.flags | _FLAG_FD_CLOEXEC
    result = syscall("perf_event_open", address(attr), aim.pid, aim.cpu, group, flags)
    if result >= 0:
        return Fd(result, what)
    if result in {-errno.EPERM, -errno.EACCES}:
        from syscast.kernel.rights import cure_for  # noqa: PLC0415  # only when refused

        cure = cure_for("perf_event_open")
    if result == -errno.ESRCH and aim.pid > 0:
        cure = f"thread {aim.pid} has ended"
    raise KernelError.from_errno(f"{what}: open", -result, "perf_event_open", cure)


def open_tracepoint(event_id: int, name: str = "") -> Fd:
    """An event for a tracepoint.

    Args:
        event_id: From the ``id`` file in tracefs (``tracefs.event_id``).
        name: For messages.

    Raises:
        KernelError: Not opened.
    """
    attr = _Attr(TYPE_TRACEPOINT, event_id, sample_period=1, wakeup=1)
    return _open(attr, f"tracepoint '{name or event_id}'")


def open_kprobe(symbol: str | int, *, offset: int = 0, on_return: bool = False) -> Fd:
    """An event at a kernel function.

    Args:
        symbol: Its name, or its address.
        offset: Bytes behind the name.
        on_return: At the function's return.

    Raises:
        NotSupportedError: The kernel has no kprobe events (CONFIG_KPROBE_EVENTS).
        KernelError: ENOENT or EINVAL: no such function, or it may not be probed;
            EADDRNOTAVAIL: the name is not unique.
    """
    text = symbol.encode() + b"\0" if isinstance(symbol, str) else b""
    what = f"{'kretprobe' if on_return else 'kprobe'} '{symbol}'"
    where = offset if isinstance(symbol, str) else symbol
    attr = _Attr(
        _device("kprobe", what),
        config=_return_bit("kprobe") if on_return else 0,
        config1=address(text),
        config2=where,
    )
    return _open(attr, what, cure="the function is missing, not unique, inlined or notrace")


def open_uprobe(
    path: str, offset: int, *, pid: int = -1, on_return: bool = False, reference: int = 0
) -> Fd:
    """An event at a place in an executable or library.

    Args:
        path: The file.
        offset: Byte in the file.
        pid: Only this process; -1 for all.
        on_return: At the function's return.
        reference: Byte offset of the reference counter (USDT semaphore), or 0.

    Raises:
        NotSupportedError: The kernel has no uprobe events.
        KernelError: Not opened.
    """
    text = path.encode() + b"\0"
    what = f"{'uretprobe' if on_return else 'uprobe'} '{path}:0x{offset:x}'"
    config = (_return_bit("uprobe") if on_return else 0) | reference << 32
    attr = _Attr(_device("uprobe", what), config, address(text), offset)
    return _open(attr, what, pid=pid, cpu=-1 if pid > 0 else 0)


def open_sampling(
    event_type: int,
    config: int,
    aim: Aim,
    *,
    period: int = 0,
    frequency: int = 0,
    inherit: bool = False,
) -> Fd:
    """An event that a program of type ``perf_event`` runs at, disabled.

    Args:
        event_type: ``TYPE_*``, or that of a PMU (`device_type`).
        config: Which event of that type.
        aim: Thread and CPU.
        period: Run once in so many events.
        frequency: Run so many times a second, instead.
        inherit: Also for what the thread starts from now on.

    Raises:
        KernelError: Not opened (ENOENT: the machine has no such counter; ENODEV: the CPU is offline;
            ESRCH: no such thread).
    """
    attr = bytearray(_ATTR_SIZE)
    bits = _DISABLED | (_FREQUENCY if frequency else 0) | (_INHERIT if inherit else 0)
    pack_into("<IIQQQQQ", attr, 0, event_type, _ATTR_SIZE, config,
              frequency or period, 0, 0, bits)  # fmt: skip
    return _call(attr, f"perf event {event_type}:{config}", aim, _SAMPLING_CURE)


def open_raw(attr: bytes, aim: Aim) -> Fd:
    """An event as a whole ``struct perf_event_attr`` says it; raises KernelError.

    Args:
        attr: The struct, of the size that it says itself.
        aim: Thread and CPU.
    """
    event_type, config = unpack_from("<I4xQ", attr)
    return _call(bytearray(attr), f"perf event {event_type}:{config}", aim, _SAMPLING_CURE)


def open_bpf_output(
    cpu: int, *, wakeup_events: int = 1, watermark: int = 0, backward: bool = False
) -> Fd:
    """A ring that ``bpf_perf_event_output`` writes to, for one CPU.

    Args:
        cpu: Its number; must be online.
        wakeup_events: Records before the reader is woken.
        watermark: Bytes before it is woken, instead; 0 for none.
        backward: Write from the end to the beginning, for a ring that keeps the newest records;
            nobody is woken.

    Raises:
        KernelError: Not opened (ENODEV: the CPU is offline).
    """
    attr = _Attr(
        TYPE_SOFTWARE,
        _COUNT_SW_BPF_OUTPUT,
        sample_period=1,
        sample_type=_SAMPLE_RAW,
        bits=(_WATERMARK if watermark else 0) | (_WRITE_BACKWARD if backward else 0),
        wakeup=_NEVER if backward else watermark or wakeup_events,
    )
    return _open(attr, f"perf ring of cpu {cpu}", cpu=cpu)


def open_dummy(pid: int = 0) -> Fd:
    """An event that counts nothing, to try whether events can be opened; raises KernelError."""
    return _open(
        _Attr(TYPE_SOFTWARE, _COUNT_SW_DUMMY, bits=_DISABLED), "perf event", pid=pid, cpu=-1
    )


def enable(event: Fd) -> None:
    """PERF_EVENT_IOC_ENABLE; raises KernelError."""
    _control(event, _IOC_ENABLE, 0, "enable", "PERF_EVENT_IOC_ENABLE")


def disable(event: Fd) -> None:
    """PERF_EVENT_IOC_DISABLE; raises KernelError."""
    _control(event, _IOC_DISABLE, 0, "disable", "PERF_EVENT_IOC_DISABLE")


def pause_output(event: Fd, *, paused: bool) -> None:
    """PERF_EVENT_IOC_PAUSE_OUTPUT: while paused, what programs send is refused; raises KernelError."""
    name = "PERF_EVENT_IOC_PAUSE_OUTPUT"
    _control(event, _IOC_PAUSE_OUTPUT, int(paused), "pause" if paused else "resume", name)


def set_bpf(event: Fd, prog: Fd) -> None:
    """PERF_EVENT_IOC_SET_BPF: run a program at the event; raises KernelError.

    The program stays attached until the event is closed. ``bpflinks.link_perf_event`` is the
    newer way.
    """
    subject = f"attach {prog.what}"
    _control(event, _IOC_SET_BPF, prog.fileno(), subject, "PERF_EVENT_IOC_SET_BPF")


def _control(event: Fd, request: int, argument: int, act: str, name: str) -> None:
    try:
        fcntl.ioctl(event.fileno(), request, argument)
    except OSError as error:
        code = error.errno or 0
        raise KernelError.from_errno(f"{event.what}: {act}", code, name) from None


def device_type(name: str) -> int | None:
    """The event type of a dynamic PMU such as ``kprobe``; None where the kernel lacks it."""
    text = read_text(f"{_DEVICES}/{name}/type")
    return int(text) if text is not None else None


_devices: dict[str, int | None] = {}
"""Types that were asked for: they stay the same until the next boot."""


def _device(name: str, what: str) -> int:
    number = _devices.get(name)
    if number is None:
        number = _devices[name] = device_type(name)
    if number is None:
        raise NotSupportedError(
            f"{what}: open: the kernel has no {name} events (no {_DEVICES}/{name}: built without "
            f"CONFIG_{name.upper()}_EVENTS, or /sys is not mounted)",
            errno.ENODEV,
            "perf_event_open",
        )
    return number


def _return_bit(name: str) -> int:
    # The file reads "config:0".
    text = read_text(f"{_DEVICES}/{name}/format/retprobe") or "config:0"
    return 1 << int(text.partition(":")[2])
