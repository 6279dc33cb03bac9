"""Compiles checked operations to BPF, runs them by BPF_PROG_TEST_RUN, gives what they answer.

One object holds a program for each case; a program takes its operands from the words of a raw
tracepoint's context, leaves the result in the map ``answers`` and returns the number of the site
that raised plus one, or zero.
"""

from __future__ import annotations

from struct import pack, unpack
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from syscast import codegen
from syscast.btf.encode import BtfBuilder
from syscast.btf.lookup import Btf
from syscast.btf.types import Int
from syscast.ir import ops
from syscast.ir.builder import Builder
from syscast.ir.check import check
from syscast.ir.program import ArgumentSource, Block, Function, Program, ProgramContext
from syscast.ir.types import BOOL, I64, U32, U64, Const, IntType, PtrType, Reg, Space
from syscast.kernel.bpfprogs import prog_test_run
from syscast.loader.load import load
from syscast.passes import checks, context
from syscast.spec.meta import SiteMeta
from syscast.spec.objectspec import MapSpec
from syscast.spec.read import read_object

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syscast.codegen.child import Child
    from syscast.ir.ops import Op
    from syscast.ir.types import Value

SITE = SiteMeta(0, "OverflowError", "case.py", 1, 1)
ANSWERS = MapSpec("answers", "array", 4, 8, 1)


class Body(Protocol):
    """Adds ops that leave a register of the result's type in the open block."""

    def __call__(self, builder: Builder, a: Value, b: Value) -> Reg: ...


class Case(NamedTuple):
    """One operation.

    Attributes:
        a: Type of the first operand, or a constant of one.
        b: Of the second; None for operations with one.
        make: Builds the op from (result, a, b), or adds all ops itself (see `Body`).
        result: Its type.
    """

    name: str
    a: IntType | Const
    b: IntType | Const | None
    make: Callable[[Reg, Reg | Const, Reg | Const], Op] | None
    result: IntType
    body: Body | None = None


def empty_btf() -> Btf:
    encoder = BtfBuilder()
    encoder.add(Int("int", 4, 1, 32))
    return Btf.from_bytes(encoder.encode(), name="test")


def _function(case: Case, number: int) -> Function:
    b = Builder()
    b.start("entry")
    operands = []
    for index, kind in enumerate((case.a, case.b)):
        if isinstance(kind, IntType):
            reg = b.register(kind)
            b.add(ops.Argument(result=reg, index=index))
            if kind.bits < 64:
                wide = b.register(I64)
                b.add(ops.Convert(result=wide, a=reg))
                reg = wide
            operands.append(reg)
        else:
            operands.append(kind or Const(0, I64))
    if case.body is not None:
        result = case.body(b, operands[0], operands[1])
    else:
        result = b.register(case.result)
        b.add(case.make(result, operands[0], operands[1]))
    wide = b.register(U64)
    b.add(ops.Convert(result=wide, a=result))
    slot = b.slot("key", U32, 4)
    b.add(ops.SlotStore(slot=slot, value=Const(0, U32)))
    handle, key = b.register(PtrType(Space.CTX)), b.register(PtrType(Space.STACK))
    b.add(ops.MapAddr(result=handle, map="answers"))
    b.add(ops.SlotAddr(result=key, slot=slot))
    row, missing = b.register(PtrType(Space.MAP)), b.register(BOOL)
    b.add(ops.Helper(result=row, name="map_lookup_elem", args=(handle, key)))
    b.add(ops.Compare(result=missing, pred=ops.Predicate.EQ, a=row, b=Const(0, row.type)))
    b.add(ops.Branch(cond=missing, then="end", other="store"))
    b.start("store")
    b.add(ops.Store(ptr=row, value=wide))
    b.add(ops.Return())
    b.start("end")
    b.add(ops.Return(value=Const(99, I64)))
    arguments = tuple(
        ArgumentSource(
            name,
            offset=offset,
            size=kind.bits // 8 if isinstance(kind, IntType) else 8,
            signed=isinstance(kind, IntType) and kind.signed,
        )
        for name, offset, kind in (("a", 0, case.a), ("b", 8, case.b))
    )
    surroundings = ProgramContext(
        "raw_tracepoint", "case", "raw_tp/case", "raw_tracepoint", arguments=arguments
    )
    name = f"case{number}"
    return Function(name, b.blocks(), b.slots(), surroundings, id=number, filtered=False)


def _returning(program: Program) -> Program:
    """Raise -> return the site's number plus one."""

    def changed(op: Op) -> Op:
        return ops.Return(value=Const(op.site + 1, I64)) if isinstance(op, ops.Raise) else op

    functions = tuple(
        msgspec.structs.replace(
            function,
            blocks=tuple(
                Block(block.label, tuple(changed(op) for op in block.ops))
                for block in function.blocks
            ),
        )
        for function in program.functions
    )
    return msgspec.structs.replace(program, functions=functions)


class Machine:
    """The cases, loaded. Close it."""

    def __init__(self, cases: Sequence[Case], child: Child) -> None:
        btf = empty_btf()
        functions = tuple(_function(case, number) for number, case in enumerate(cases))
        program = Program("cases", functions, sites=(SITE,), maps=(ANSWERS,))
        check(program)
        program = context.run(checks.run(program, btf), btf)
        self.sites = program.sites
        self.program = _returning(program)
        elf = codegen.build(self.program, btf, child=child)
        self.loaded = load(read_object(elf, "cases"), btf=btf)
        self._programs = [self.loaded.programs[f"case{n}"].fd for n in range(len(cases))]
        self._answers = self.loaded.maps["answers"]
        self._cases = cases

    def run(self, number: int, a: int, b: int) -> int | str:
        """The result, or the exception's name."""
        mask = (1 << 64) - 1
        context_in = pack("<QQ", a & mask, b & mask)
        site = prog_test_run(self._programs[number], ctx_in=context_in).retval
        if site:
            return self.sites[site - 1].exception
        raw = self._answers.lookup(0)
        assert raw is not None
        signed = self._cases[number].result.signed
        return unpack("<q" if signed else "<Q", raw)[0]

    def close(self) -> None:
        self.loaded.close()
