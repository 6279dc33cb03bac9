"""The probes of the long runs, and sessions of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

import syscast as sc
from syscast import u64
from syscast.kernel.bpfinfo import prog_info
from syscast.loader.load import load
from syscast.probes import registers, syscall_table
from syscast.session.filters import Filters
from syscast.session.part import Part
from syscast.session.plan import plan
from syscast.session.session import Session

if TYPE_CHECKING:
    from syscast.session.delivery import Delivery

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


def repeated_session(delivery: Delivery) -> tuple[Session, int]:
    """`by_run` as a socket filter, the one type that the kernel repeats by itself, and its id.

    Raises:
        SyscastError: This kernel's socket filters cannot call what a probe calls.
    """
    made = plan([by_run.job()])[0]
    programs = {
        each.name: msgspec.structs.replace(each, type="socket_filter", attach_type="", target="")
        for each in made.spec.programs
    }
    loaded = load(
        made.spec,
        config={**Filters().config(), **delivery.config()},
        overrides=programs,
        ring_size=delivery.ring_size or 0,
    )
    assert made.spec.meta is not None
    part = Part(loaded, made.spec.meta, made.classes)
    return Session([part], None, delivery), prog_info(next(iter(loaded.programs.values())).fd).id
