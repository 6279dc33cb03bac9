"""Functions of the probe language, each run by CPython and, compiled, by the kernel.

A function takes two integers and sends `Out` events; what must agree is the events and the exception.
Python's integers have no end, so inputs are chosen such that nothing overflows 64 bits.
"""

from __future__ import annotations

import sys
from struct import pack, unpack
from types import FunctionType
from typing import TYPE_CHECKING, NamedTuple, Self

import syscast as sc
from syscast.btf import source
from syscast.buffers.opening import open_reader
from syscast.compiler.backend import build_object
from syscast.frontend.python.lower import lower_probe
from syscast.frontend.python.source import read_function
from syscast.frontend.python.unit import Unit
from syscast.ir.program import ArgumentSource, ProgramContext
from syscast.kernel.bpfprogs import prog_test_run
from syscast.loader.load import load
from syscast.spec import meta
from syscast.spec.read import read_object

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from syscast.codegen.child import Child

    Written = Callable[[int, int], "Out | None"]


class Out(sc.Event):
    """What a function answers."""

    a: sc.i64
    b: sc.i64 = 0


class Answer(NamedTuple):
    """What one run did.

    Attributes:
        events: Fields of the events sent, in order.
        raised: Name and line of the exception, or "".
    """

    events: tuple[tuple[int, int], ...]
    raised: str = ""


_CONTEXT = ProgramContext(
    "raw_tracepoint",
    "written",
    "raw_tp/written",
    "raw_tracepoint",
    arguments=(ArgumentSource("a", signed=True), ArgumentSource("b", offset=8, signed=True)),
)


class Machine:
    """Functions, compiled into one object and loaded. A context manager."""

    def __init__(self, functions: Sequence[Written], child: Child | None = None) -> None:
        btf = source.kernel()
        unit = Unit()
        for function in functions:
            lower_probe(unit, btf, read_function(function), (_CONTEXT,), function.__name__)
        program = unit.program("written", "")
        spec = read_object(build_object(program, btf, child=child), "written")
        self._loaded = load(spec, config={"flags": 0})
        self._names = [each.name for each in program.functions]
        self._sites = spec.meta.sites if spec.meta is not None else ()
        self._reader = open_reader(self._loaded.maps[meta.EVENTS_MAP])

    def run(self, number: int, a: int, b: int) -> Answer:
        """Run one function in the kernel."""
        mask = (1 << 64) - 1
        before = self._raised()
        program = self._loaded.programs[self._names[number]].fd
        prog_test_run(program, ctx_in=pack("<QQ", a & mask, b & mask))
        payloads = [each[meta.RECORD_HEADER_SIZE :] for each in self._reader.read(100_000)]
        events = tuple(unpack("<qq", payload[:16]) for payload in payloads)
        after = self._raised()
        raised = [site for site, count in after.items() if count != before[site]]
        names = [f"{self._sites[n].exception} {self._sites[n].line}" for n in raised]
        return Answer(events, ", ".join(names))

    def _raised(self) -> dict[int, int]:
        counters = self._loaded.maps.get(meta.RAISED_MAP)
        if counters is None:
            return {}
        counts = {}
        for site in range(len(self._sites)):
            value = counters.lookup(site)
            counts[site] = sum(unpack(f"<{len(value) // 8}Q", value))
        return counts

    def close(self) -> None:
        """Give everything back."""
        self._reader.close()
        self._loaded.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def in_python(function: Written, a: int, b: int) -> Answer:
    """Run a function by CPython."""
    events: list[tuple[int, int]] = []
    module = sys.modules[function.__module__]
    original = vars(module).get("emit")
    vars(module)["emit"] = lambda event: events.append((event.a, event.b))
    try:
        last = function(a, b)
        if last is not None:
            events.append((last.a, last.b))
    except Exception as error:  # noqa: BLE001 - whichever the function raises
        trace = error.__traceback__
        line = 0
        while trace is not None:
            if trace.tb_frame.f_code is function.__code__:
                line = trace.tb_lineno
            trace = trace.tb_next
        return Answer(tuple(events), f"{type(error).__name__} {line}")
    finally:
        vars(module)["emit"] = original
    return Answer(tuple(events))


def functions_of(module: ModuleType) -> list[Written]:
    """The functions that a module defines."""
    return [
        value
        for value in vars(module).values()
        if isinstance(value, FunctionType) and value.__module__ == module.__name__
    ]


def disagreements(
    functions: Sequence[Written], inputs: Sequence[tuple[int, int]], child: Child | None = None
) -> list[str]:
    """Every input on which CPython and the kernel differ."""
    wrong = []
    with Machine(functions, child) as machine:
        for number, function in enumerate(functions):
            for a, b in inputs:
                want, got = in_python(function, a, b), machine.run(number, a, b)
                if got != want:
                    wrong.append(f"{function.__name__}({a}, {b}): {got}, not {want}")
    return wrong
