"""Programs that run as counters of the machine or of the kernel overflow."""

from __future__ import annotations

import ctypes
import struct
from typing import TYPE_CHECKING

from syscast.bcc.arguments import Name, as_bytes
from syscast.bcc.constants import BPFProgType, PerfSWConfig, PerfType
from syscast.bcc.failures import failure
from syscast.bcc.programs import Closable, Programs
from syscast.errors import SyscastError
from syscast.link.sampling import attach_raw, attach_sampling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from syscast.bcc.functions import Function
    from syscast.bcc.module import Module

_REFUSED = "Failed to attach BPF to perf event"


class PerfEvents(Programs):
    """What `BPF` knows of perf events.

    Attributes:
        open_perf_events: What is attached, by type and number of the event.
    """

    def __init__(self, module: Module) -> None:
        super().__init__(module)
        self.open_perf_events: dict[tuple[int, int], Closable] = {}

    def attach_perf_event(
        self,
        ev_type: int = -1,
        ev_config: int = -1,
        fn_name: Name = b"",
        sample_period: int = 0,
        sample_freq: int = 0,
        pid: int = -1,
        cpu: int = -1,
        group_fd: int = -1,
    ) -> None:
        """Run a program at every so many events, or so many times a second.

        Args:
            ev_type: ``PerfType``.
            ev_config: ``PerfHWConfig``, ``PerfSWConfig`` and so on.
            fn_name: The program.
            sample_period: Events from one run to the next.
            sample_freq: Runs a second, instead.
            pid: Only this process; -1 for all.
            cpu: Only this CPU; -1 for all.
            group_fd: Leader of the events' group, or -1.

        Raises:
            Exception: As bcc's.
        """
        if not sample_period and not sample_freq:
            raise failure(_REFUSED)

        def attach(function: Function) -> Closable:
            return attach_sampling(
                function.program,
                ev_type,
                ev_config,
                period=0 if sample_freq else sample_period,
                frequency=sample_freq,
                pid=pid,
                cpu=cpu,
                group=group_fd,
            )

        self._attach_events((ev_type, ev_config), as_bytes(fn_name), attach)
        how = f"{sample_freq}hz" if sample_freq else f"every {sample_period}"
        note = f"perf event of type {ev_type}, number {ev_config}, {how}, pid {pid}, cpu {cpu}"
        clock = (ev_type, ev_config) == (PerfType.SOFTWARE, PerfSWConfig.CPU_CLOCK) and sample_freq
        if clock and pid == cpu == -1:
            note = ""
        self.note(
            as_bytes(fn_name),
            "profile" if clock else "",
            f"{sample_freq}hz" if clock else "",
            note,
        )

    def attach_perf_event_raw(
        self,
        attr: object = -1,
        fn_name: Name = b"",
        pid: int = -1,
        cpu: int = -1,
        group_fd: int = -1,
    ) -> None:
        """`attach_perf_event` for an event that a whole ``struct perf_event_attr`` describes.

        Args:
            attr: A ctypes structure, such as ``Perf.perf_event_attr``.
            fn_name: The program.
            pid: Only this process; -1 for all.
            cpu: Only this CPU; -1 for all.
            group_fd: Leader of the events' group, or -1.

        Raises:
            Exception: As bcc's.
        """
        if not isinstance(attr, ctypes.Structure):
            raise failure("attr must be a perf_event_attr")
        raw = bytes(memoryview(attr).cast("B"))
        size = struct.unpack_from("=I", raw, 4)[0]
        data = raw if size else raw[:4] + struct.pack("=I", len(raw)) + raw[8:]
        event_type, config = struct.unpack_from("=I4xQ", data)

        def attach(function: Function) -> Closable:
            return attach_raw(function.program, data, pid=pid, cpu=cpu, group=group_fd)

        self._attach_events((event_type, config), as_bytes(fn_name), attach)
        self.note(as_bytes(fn_name), "", "", f"perf event of type {event_type}, number {config}")

    def _attach_events(
        self, key: tuple[int, int], fn_name: bytes, attach: Callable[[Function], Closable]
    ) -> None:
        function = self.load_func(fn_name, BPFProgType.PERF_EVENT)
        try:
            made = attach(function)
        except SyscastError as error:
            refused = failure(_REFUSED)
            refused.add_note(str(error))
            raise refused from None
        old = self.open_perf_events.pop(key, None)
        if old is not None:
            old.close()
        self.open_perf_events[key] = made

    def detach_perf_event(self, ev_type: int = -1, ev_config: int = -1) -> None:
        """Detach from an event; raises Exception: not attached."""
        found = self.open_perf_events.pop((ev_type, ev_config), None)
        if found is None:
            raise failure(f"Perf event type {ev_type} config {ev_config} not attached")
        found.close()

    def _drop_perf_events(self) -> Iterator[Closable]:
        """Forget all of them, for a caller that closes them."""
        yield from self.open_perf_events.values()
        self.open_perf_events.clear()
