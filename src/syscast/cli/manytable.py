"""The table of ``trace 'tcp_*'``: which function it was, and its arguments by their names.

Without expressions the events of a pattern carry the registers of arguments as they are; how many of them
a function has, and what they are called, is in the kernel's BTF, and is looked up when one is shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from syscast.events.event import field_texts, fields_of
from syscast.events.text import clock_text
from syscast.sinks.console import CYAN, DIM, GREEN, Column, Table, mixed_table, table_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syscast.events.event import Event
    from syscast.ir.program import ArgumentSource
    from syscast.session.session import Session

_FUNCTION_WIDTH = 24
_WORD = 8


class _Argument(NamedTuple):
    """One argument of a function: its name, the number of its register, and how it is written."""

    name: str
    register: int
    size: int
    signed: bool
    hexadecimal: bool

    def text(self, word: int) -> str:
        """``name=value`` of a whole register."""
        bits = 8 * self.size
        value = word & ((1 << bits) - 1)
        if self.hexadecimal:
            return f"{self.name}=0x{value:x}"
        if self.signed and value >> (bits - 1):
            value -= 1 << bits
        return f"{self.name}={value}"


def table(session: Session, *, words: bool) -> Table | None:
    """The table for a session on patterns.

    Args:
        session: Running.
        words: Whether the probes have no expressions, and send registers.
    """
    classes = session.event_classes()
    names = {tuple(field.name for field in fields_of(each)) for each in classes}
    numbered = all(
        any(field.type.kind == "function" for field in fields_of(each)) for each in classes
    )
    if not numbered or len(names) != 1:
        return mixed_table()
    return _of_words(classes[0]) if words else table_of(classes[0])


def _of_words(cls: type[Event]) -> Table:
    """Function, return value and duration where there are any, then the arguments."""
    names = [field.name for field in fields_of(cls)]
    plain = [name for name in names if name in {"ret", "duration"}]
    registers = [name for name in names if name.startswith("arg")]
    arguments = _Arguments()
    columns = (
        Column("TIME", 15, style=DIM),
        Column("COMM", 15, cut=True, style=CYAN),
        Column("PID", 7, right=True),
        Column("FUNCTION", _FUNCTION_WIDTH, style=GREEN),
        *(Column(name.upper(), 8, right=True) for name in plain),
        Column("ARGUMENTS", 30),
    )

    def cells(event: Event) -> Sequence[str]:
        envelope = event.envelope
        task = ["-", "-", "-"]
        if envelope is not None:
            task = [clock_text(envelope.time), envelope.comm, str(envelope.pid)]
        shown = dict(zip(names, field_texts(event), strict=True))
        function = shown[names[0]]
        held = [int(getattr(event, name)) for name in registers]
        return [*task, function, *(shown[each] for each in plain), arguments.text(function, held)]

    return Table(columns, cells)


class _Arguments:
    """What is known of functions' arguments, looked up once each."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[_Argument, ...] | None] = {}

    def text(self, function: str, words: Sequence[int]) -> str:
        """All arguments of a call, by name; the registers where nothing is known."""
        if function not in self._known:
            self._known[function] = _look_up(function)
        known = self._known[function]
        if known is None:
            return " ".join(f"arg{at}=0x{word:x}" for at, word in enumerate(words))
        return " ".join(
            each.text(words[each.register]) for each in known if each.register < len(words)
        )


def _look_up(function: str) -> tuple[_Argument, ...] | None:
    """Arguments of a kernel function or a system call; None for one that nothing is known of."""
    from syscast.btf import source  # noqa: PLC0415  (once there are events)
    from syscast.btf.types import Func  # noqa: PLC0415
    from syscast.errors import SyscastError  # noqa: PLC0415
    from syscast.probes import registers, registry  # noqa: PLC0415

    types = source.kernel()
    machine = registers.here()
    kind = "kprobe" if types.find(function, Func) is not None else "syscall"
    try:
        found = registry.get(kind).resolve(function, types)
    except SyscastError:
        return None
    place: Callable[[ArgumentSource], int]
    if kind == "kprobe":
        offsets = {offset: at for at, (_, offset) in enumerate(machine.arguments)}

        def place(source: ArgumentSource) -> int:
            return -1 if source.member else offsets.get(source.offset, -1)
    else:

        def place(source: ArgumentSource) -> int:
            return machine.syscall_arguments.index(source.member)

    return tuple(
        _Argument(each.name, place(each), each.size, each.signed, _is_pointer(each))
        for each in found.arguments
        if not each.array and place(each) >= 0
    )


def _is_pointer(source: ArgumentSource) -> bool:
    return source.user or source.ctype.rstrip().endswith("*") or "(*" in source.ctype
