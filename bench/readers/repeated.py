"""A probe of syscast, loaded as the one type of program that the kernel repeats by itself."""

# ruff: noqa: INP001 - a script's module

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

import syscast as sc
from syscast import u32
from syscast.kernel.bpfinfo import prog_info
from syscast.loader.load import load
from syscast.session.delivery import Delivery
from syscast.session.filters import Filters
from syscast.session.part import Part
from syscast.session.plan import plan
from syscast.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Mapping


class Run(sc.Event):
    """One run."""

    value: u32


@sc.raw_tracepoint("sys_enter")
def repeated() -> Run:
    """As small as `reader_syscast.by_call`."""
    return Run(value=110)


def filter_session(options: Mapping[str, str]) -> tuple[Session, int]:
    """A session of `repeated` as a socket filter, and the program's id.

    Raises:
        KernelError: This kernel's socket filters cannot call what a probe calls.
    """
    made = plan([repeated.job()])[0]
    programs = {
        each.name: msgspec.structs.replace(each, type="socket_filter", attach_type="", target="")
        for each in made.spec.programs
    }
    delivery = Delivery(**options)  # type: ignore[arg-type]
    config = {**Filters().config(), **delivery.config()}
    loaded = load(made.spec, config=config, overrides=programs, ring_size=delivery.ring_size or 0)
    assert made.spec.meta is not None
    part = Part(loaded, made.spec.meta, made.classes)
    return Session([part], None, delivery), prog_info(next(iter(loaded.programs.values())).fd).id
