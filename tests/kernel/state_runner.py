"""Runs probes that share state by BPF_PROG_TEST_RUN: a raw tracepoint's three words are what they take."""

from __future__ import annotations

import contextlib
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
    from collections.abc import Callable, Iterator

    from syscast.codegen.child import Child

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
_MASK = (1 << 64) - 1


class Runner:
    """Probe functions by name, loaded together. Close it."""

    def __init__(self, *probes: Callable[..., object], child: Child | None = None) -> None:
        types = source.kernel()
        states: dict[str, object] = {}
        requests = [Request(each.__name__, (CONTEXT,), each) for each in probes]
        program, classes = lower(requests, types, arch="", states=states)
        spec = read_object(build_object(program, types, child=child), "probes")
        plan = Plan(spec, (), classes, cached=False, kinds={}, states=states)
        self.part = Part.load(plan, Filters(), DEFAULT)
        files = {each.probe: each.name for each in self.part.meta.programs}
        self._fds = {
            name: self.part.loaded.programs[files[name]].fd
            for name in (each.__name__ for each in probes)
        }

    def run(self, name: str, a: int = 0, b: int = 0, c: int = 0) -> None:
        """One run of a probe."""
        prog_test_run(self._fds[name], ctx_in=pack("<QQQ", a & _MASK, b & _MASK, c & _MASK))

    def raised(self) -> dict[str, int]:
        """How often each exception ended a run."""
        found: dict[str, int] = {}
        for each in ledger_of([self.part], Counter()).sites:
            if each.count:
                found[each.site.exception] = found.get(each.site.exception, 0) + each.count
        return found

    def close(self) -> None:
        self.part.close()


@contextlib.contextmanager
def running(*probes: Callable[..., object], child: Child | None = None) -> Iterator[Runner]:
    """A runner for as long as the block."""
    runner = Runner(*probes, child=child)
    try:
        yield runner
    finally:
        runner.close()
