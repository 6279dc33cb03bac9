"""A probe of syscast, loaded as the one type of program that the kernel repeats by itself."""

# ruff: noqa: INP001 - a script's module

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

import syscast as sc
from syscast import u32
from syscast.kernel.bpfinfo import prog_info
from syscast.session.delivery import Delivery
from syscast.session.filters import Filters
from syscast.session.part import Part
from syscast.session.plan import Plan, plan
from syscast.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syscast.probes.kind import Kind
    from syscast.spec.objectspec import ProgramSpec


class Run(sc.Event):
    """One run."""

    value: u32


@sc.raw_tracepoint("sys_enter")
def repeated() -> Run:
    """As small as `reader_syscast.by_call`."""
    return Run(value=110)


class _Repeated:
    """Stands in for the probe's kind: the one type of program that the kernel repeats by itself."""

    def prepare(self, program: ProgramSpec) -> ProgramSpec:
        """The same code as a socket filter."""
        return msgspec.structs.replace(program, type="socket_filter", attach_type="", target="")


def filter_session(options: Mapping[str, str]) -> tuple[Session, int]:
    """A session of `repeated` as a socket filter, and the program's id.

    Raises:
        SyscastError: This kernel's socket filters cannot call what a probe calls.
    """
    delivery = Delivery(**options)  # type: ignore[arg-type]
    made = plan([repeated.job()])[0]
    assert made.spec.meta is not None
    kinds: dict[str, Kind] = {each.probe: _Repeated() for each in made.spec.meta.programs}  # type: ignore[dict-item]
    alone = Plan(made.spec, made.choices, made.classes, cached=made.cached, kinds=kinds, states={})
    part = Part.load(alone, Filters(), delivery)
    session = Session([part], None, delivery)
    return session, prog_info(next(iter(part.loaded.programs.values())).fd).id
