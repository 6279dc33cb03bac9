"""Runs whole probe functions in the kernel by BPF_PROG_TEST_RUN, and the same functions in Python.

A probe takes three numbers (i64, u64, i64) from the words of a raw tracepoint's context. What it
sends comes back through the ring; what it raises is found in the ledger, with its line.
"""

from __future__ import annotations

from collections import Counter
from struct import pack
from typing import TYPE_CHECKING

from syscast.btf import source
from syscast.compiler.backend import build_object
from syscast.compiler.driver import Request, lower
from syscast.ir.program import ArgumentSource, ProgramContext
from syscast.kernel.bpfprogs import prog_test_run
from syscast.session.accounts import ledger_of
from syscast.session.delivery import DEFAULT
from syscast.session.filters import Filters
from syscast.session.part import Part
from syscast.session.plan import Plan
from syscast.spec.read import read_object

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from syscast.codegen.child import Child
    from syscast.events.event import Event
    from syscast.state.state import State

CONTEXT = ProgramContext(
    "raw_tracepoint",
    "case",
    "raw_tp/case",
    "raw_tracepoint",
    arguments=(
        ArgumentSource("a", offset=0, size=8, signed=True, ctype="long"),
        ArgumentSource("b", offset=8, size=8, signed=False, ctype="unsigned long"),
        ArgumentSource("c", offset=16, size=8, signed=True, ctype="long"),
    ),
)


class Runner:
    """Probe functions by name, loaded. Close it."""

    def __init__(
        self, probes: Mapping[str, Callable[..., object]], child: Child | None = None
    ) -> None:
        types = source.kernel()
        requests = [Request(name, (CONTEXT,), function) for name, function in probes.items()]
        states: dict[str, State] = {}
        program, classes = lower(requests, types, arch="", states=states)
        spec = read_object(build_object(program, types, child=child), "probes")
        plan = Plan(spec, (), classes, cached=False, kinds={}, states=states)
        self.part = Part.load(plan, Filters(), DEFAULT)
        self._files = {each.probe: each.name for each in self.part.meta.programs}
        self._known = self._raised()

    def run(self, name: str, a: int, b: int, c: int = 0) -> list[Event] | tuple[str, str, int]:
        """The events of one run, or the exception's name, file and line."""
        mask = (1 << 64) - 1
        context_in = pack("<QQQ", a & mask, b & mask, c & mask)
        prog_test_run(self.part.loaded.programs[self._files[name]].fd, ctx_in=context_in)
        events = self.part.events(1 << 20)
        if events:
            return events
        raised = self._raised()
        new = list((raised - self._known).elements())
        self._known = raised
        return new[0] if new else []

    def _raised(self) -> Counter[tuple[str, str, int]]:
        counted: Counter[tuple[str, str, int]] = Counter()
        for each in ledger_of([self.part], Counter()).sites:
            counted[each.site.exception, each.site.file, each.site.line] += each.count
        return counted

    def close(self) -> None:
        self.part.close()
