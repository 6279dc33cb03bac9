"""The probes of the long runs, and sessions of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

import syscast as sc
from syscast import u64
from syscast.kernel.bpfinfo import prog_info
from syscast.probes import registers, syscall_table
from syscast.session.filters import Filters
from syscast.session.part import Part
from syscast.session.plan import Plan, plan
from syscast.session.session import Session

if TYPE_CHECKING:
    from syscast.probes.kind import Kind
    from syscast.session.delivery import Delivery
    from syscast.spec.objectspec import ProgramSpec

GETPPID = syscall_table.find("getppid", registers.here().machine).number


class Tick(sc.Event):
    """A small event."""

    value: u64


@sc.raw_tracepoint("sys_enter")
def by_call(regs: object, id: int) -> Tick | None:  # noqa: A002, ARG001 - the kernel's names
    """Of a system call."""
    if id != GETPPID:
        return None
    return Tick(value=7)


@sc.raw_tracepoint("sys_enter")
def by_run() -> Tick:
    """Of a run of the program."""
    return Tick(value=7)


class _Repeated:
    """Stands in for the probe's kind: the one type of program that the kernel repeats by itself."""

    def prepare(self, program: ProgramSpec) -> ProgramSpec:
        """The same code as a socket filter."""
        return msgspec.structs.replace(program, type="socket_filter", attach_type="", target="")


def repeated_session(delivery: Delivery) -> tuple[Session, int]:
    """`by_run` as a socket filter, the one type that the kernel repeats by itself, and its id.

    Raises:
        SyscastError: This kernel's socket filters cannot call what a probe calls.
    """
    made = plan([by_run.job()])[0]
    assert made.spec.meta is not None
    kinds: dict[str, Kind] = {each.probe: _Repeated() for each in made.spec.meta.programs}  # type: ignore[dict-item]
    repeated = Plan(
        made.spec, made.choices, made.classes, cached=made.cached, kinds=kinds, states={}
    )
    part = Part.load(repeated, Filters(), delivery)
    session = Session([part], None, delivery)
    return session, prog_info(next(iter(part.loaded.programs.values())).fd).id
