"""syscast: any Linux kernel call as a stream of typed Python events.

Names are imported when they are first used, so that ``import syscast`` costs almost nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast._version import __version__

if TYPE_CHECKING:
    from syscast.diagnostics import CompileError, Diagnostic, Span
    from syscast.errors import (
        FormatError,
        FullError,
        InternalError,
        KernelError,
        LimitError,
        LostEventsWarning,
        NotSupportedError,
        PermissionDeniedError,
        SampledEventsWarning,
        SyscastError,
        TargetError,
        UsageError,
        VerifierError,
    )
    from syscast.events.aggregated import Aggregated
    from syscast.events.envelope import Envelope
    from syscast.events.event import Event
    from syscast.events.fieldtypes import (
        IP,
        Comm,
        IPv4,
        IPv6,
        Pointer,
        Port,
        i8,
        i16,
        i32,
        i64,
        u8,
        u16,
        u32,
        u64,
    )
    from syscast.events.lost import Lost
    from syscast.frontend.python.kernelenums import enum
    from syscast.frontend.python.language import (
        bounded,
        cast,
        container_of,
        current,
        emit,
        hlist_entries,
        kernel_str,
        list_entries,
        now,
        path_of,
        user_str,
        wrap32,
        wrap64,
    )
    from syscast.session.attach import attach, run_object
    from syscast.session.probe import (
        Probe,
        call,
        fentry,
        fexit,
        function,
        hardware,
        interval,
        kprobe,
        kretprobe,
        profile,
        raw_tracepoint,
        software,
        syscall,
        tracepoint,
        uprobe,
        uretprobe,
        usdt,
    )
    from syscast.session.replay import Replay, replay
    from syscast.session.session import Session
    from syscast.session.snapshot import iterator
    from syscast.session.stacks import Stacks
    from syscast.state.counter import Counter, TopK
    from syscast.state.histogram import LinearHist, Log2Hist
    from syscast.state.maps import (
        Array,
        Hash,
        LruHash,
        LruPerCpuHash,
        PerCpuArray,
        PerCpuHash,
        Var,
    )
    from syscast.state.statistics import Max, Mean, Min, Sum
    from syscast.state.structs import Struct

_FROM = {
    "syscast.diagnostics": "CompileError Diagnostic Span",
    "syscast.errors": (
        "FormatError FullError InternalError KernelError LimitError LostEventsWarning "
        "SampledEventsWarning "
        "NotSupportedError "
        "PermissionDeniedError SyscastError TargetError UsageError VerifierError"
    ),
    "syscast.events.envelope": "Envelope",
    "syscast.events.event": "Event",
    "syscast.events.fieldtypes": "IP Comm IPv4 IPv6 Pointer Port i8 i16 i32 i64 u8 u16 u32 u64",
    "syscast.events.aggregated": "Aggregated",
    "syscast.events.lost": "Lost",
    "syscast.frontend.python.kernelenums": "enum",
    "syscast.frontend.python.language": (
        "bounded cast container_of current emit hlist_entries kernel_str list_entries now path_of user_str "
        "wrap32 wrap64"
    ),
    "syscast.session.attach": "attach run_object",
    "syscast.session.probe": (
        "Probe call fentry fexit function kprobe kretprobe raw_tracepoint syscall tracepoint "
        "uprobe uretprobe usdt profile interval software hardware"
    ),
    "syscast.session.replay": "Replay replay",
    "syscast.session.session": "Session",
    "syscast.session.snapshot": "iterator",
    "syscast.state.counter": "Counter TopK",
    "syscast.state.histogram": "LinearHist Log2Hist",
    "syscast.state.maps": "Array Hash LruHash LruPerCpuHash PerCpuArray PerCpuHash Var",
    "syscast.session.stacks": "Stacks",
    "syscast.state.statistics": "Max Mean Min Sum",
    "syscast.state.structs": "Struct",
}
_WHERE = {name: module for module, names in _FROM.items() for name in names.split()}

__all__ = [
    "IP",
    "Aggregated",
    "Array",
    "Comm",
    "CompileError",
    "Counter",
    "Diagnostic",
    "Envelope",
    "Event",
    "FormatError",
    "FullError",
    "Hash",
    "IPv4",
    "IPv6",
    "InternalError",
    "KernelError",
    "LimitError",
    "LinearHist",
    "Log2Hist",
    "Lost",
    "LostEventsWarning",
    "LruHash",
    "LruPerCpuHash",
    "Max",
    "Mean",
    "Min",
    "NotSupportedError",
    "PerCpuArray",
    "PerCpuHash",
    "PermissionDeniedError",
    "Pointer",
    "Port",
    "Probe",
    "Replay",
    "SampledEventsWarning",
    "Session",
    "Span",
    "Stacks",
    "Struct",
    "Sum",
    "SyscastError",
    "TargetError",
    "TopK",
    "UsageError",
    "Var",
    "VerifierError",
    "__version__",
    "attach",
    "bounded",
    "call",
    "cast",
    "container_of",
    "current",
    "emit",
    "enum",
    "fentry",
    "fexit",
    "function",
    "hardware",
    "hlist_entries",
    "i8",
    "i16",
    "i32",
    "i64",
    "interval",
    "iterator",
    "kernel_str",
    "kprobe",
    "kretprobe",
    "list_entries",
    "now",
    "path_of",
    "profile",
    "raw_tracepoint",
    "replay",
    "run_object",
    "software",
    "syscall",
    "tracepoint",
    "u8",
    "u16",
    "u32",
    "u64",
    "uprobe",
    "uretprobe",
    "usdt",
    "user_str",
    "wrap32",
    "wrap64",
]


def __getattr__(name: str) -> object:
    module = _WHERE.get(name)
    if module is None:
        raise AttributeError(f"module 'syscast' has no attribute {name!r}")
    import importlib  # noqa: PLC0415  (the point of this function)

    value: object = getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
