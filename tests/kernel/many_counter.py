"""A program in IR that counts its runs by the number of the function it runs at, for this process only."""

from __future__ import annotations

import os
import struct
import time
from contextlib import ExitStack, contextmanager

from syscast.btf import source
from syscast.compiler.driver import compile_program
from syscast.ir.builder import Builder
from syscast.ir.ops import (
    Argument,
    AtomicAdd,
    Branch,
    Compare,
    Current,
    CurrentItem,
    Finish,
    Helper,
    Jump,
    MapAddr,
    Predicate,
    SlotAddr,
    SlotStore,
)
from syscast.ir.program import Function, Program
from syscast.ir.types import BOOL, I64, U64, Const, PtrType, Space
from syscast.loader import load
from syscast.probes import many, matching, registers
from syscast.spec.objectspec import MapSpec

MAP = "hits"


def counting(context, number):
    """A function that adds 1 under the number of the place it runs at."""
    body = Builder()
    body.start("entry")
    pid, other = body.register(I64), body.register(BOOL)
    body.add(Current(result=pid, item=CurrentItem.PID, site=-1))
    body.add(Compare(result=other, pred=Predicate.NE, a=pid, b=Const(os.getpid(), I64)))
    body.add(Branch(cond=other, then="out", other="mine"))
    body.start("mine")
    place = body.register(U64)
    body.add(Argument(result=place, index=0))
    key, one = body.slot("key", U64, 8), body.slot("one", U64, 8)
    body.add(SlotStore(slot=key, value=place))
    body.add(SlotStore(slot=one, value=Const(1, U64)))

    def handle():
        made = body.register(PtrType(Space.CTX))
        body.add(MapAddr(result=made, map=MAP))
        return made

    def address(slot):
        made = body.register(PtrType(Space.STACK))
        body.add(SlotAddr(result=made, slot=slot))
        return made

    value, new = body.register(PtrType(Space.MAP)), body.register(BOOL)
    body.add(Helper(result=value, name="map_lookup_elem", args=(handle(), address(key))))
    body.add(Compare(result=new, pred=Predicate.EQ, a=value, b=Const(0, PtrType(Space.MAP))))
    body.add(Branch(cond=new, then="first", other="again"))
    body.start("first")
    arguments = (handle(), address(key), address(one), Const(0, U64))
    body.add(Helper(result=None, name="map_update_elem", args=arguments))
    body.add(Jump(target="out"))
    body.start("again")
    body.add(AtomicAdd(ptr=value, value=Const(1, U64)))
    body.add(Jump(target="out"))
    body.start("out")
    body.add(Finish())
    return Function(
        f"count_{number}",
        body.blocks(),
        body.slots(),
        context,
        id=number,
        probe="hits",
        filtered=False,
    )


class Hits:
    """What was counted, by name."""

    def __init__(self, loaded, names, links, skipped, seconds):
        self.seconds = seconds
        self._map = loaded.maps[MAP]
        self._names = names
        self.links = links
        self.skipped = skipped

    def read(self):
        found = {}
        for key, value in self._map.items():
            name = self._names.name(struct.unpack("<Q", key)[0])
            found[name] = found.get(name, 0) + struct.unpack("<Q", value)[0]
        return found


@contextmanager
def counted(pattern, used=frozenset()):
    """Count this process' calls of everything that a pattern means."""
    btf = source.kernel()
    names = many.Names()
    choices, skipped = many.choices(matching.match(pattern), frozenset(used), "probe", names)
    functions = [
        counting(choice.kind.contexts(choice.target, role="probe")[0], number)
        for number, choice in enumerate(choices)
    ]
    program = Program(
        "hits",
        tuple(functions),
        maps=(MapSpec(MAP, "hash", 8, 8, 16384),),
        arch=registers.here().machine,
    )
    spec, _ = compile_program(program, btf, btf.key)
    kinds = {
        function.name: choice.kind for function, choice in zip(functions, choices, strict=True)
    }
    overrides = {each.name: kinds[each.name].prepare(each) for each in spec.programs}
    with ExitStack() as stack:
        loaded = stack.enter_context(load(spec, overrides=overrides))
        links = []
        started = time.monotonic()
        for name, program_ in loaded.programs.items():
            links.append(kinds[name].attach(program_))
            stack.callback(links[-1].close)
        yield Hits(loaded, names, links, skipped, time.monotonic() - started)
