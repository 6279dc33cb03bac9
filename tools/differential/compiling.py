"""Generated probes through the real compiler: front end, passes, code generation; many in one object.

The probes are raw tracepoints, so that the kernel runs them by BPF_PROG_TEST_RUN with any words as arguments. One thing is
added behind the passes: a run that raised returns its site's number plus one, where a real one returns 0.
"""

from __future__ import annotations

import linecache
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import msgspec

import syscast
from differential.palette import CLASSES
from syscast import passes
from syscast.btf.encode import BtfBuilder
from syscast.btf.lookup import Btf
from syscast.btf.types import Int
from syscast.codegen.llvmtext import module_text
from syscast.codegen.objectmeta import object_meta
from syscast.frontend.python.lower import lower_probe
from syscast.frontend.python.source import read_function
from syscast.ir import ops
from syscast.ir.program import ArgumentSource, Block, ProgramContext
from syscast.ir.types import U64, Const, Reg

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FunctionType

    from differential.grammar import Probe
    from differential.inputs import Parameter, Row
    from syscast.events.event import Event
    from syscast.frontend.python.unit import Unit
    from syscast.ir.program import Function, Program
    from syscast.ir.types import Slot
    from syscast.spec.meta import SiteMeta

_MASK = (1 << 64) - 1
SITE_SLOT = "@site"
"""The slot in which the pass raises keeps a site's number."""


class Compiled(NamedTuple):
    """Several probes as one program of primitive IR.

    Attributes:
        names: Of the programs, in the order of the probes.
        schemas: Class names by schema id.
    """

    program: Program
    names: tuple[str, ...]
    schemas: dict[int, str]

    @property
    def sites(self) -> tuple[SiteMeta, ...]:
        """Where they raise."""
        return self.program.sites

    def text(self) -> str:
        """As LLVM IR."""
        return module_text(self.program, types(), object_meta(self.program, types()))


@cache
def types() -> Btf:
    """A kernel without types: these probes use none."""
    encoder = BtfBuilder()
    encoder.add(Int("int", 4, 1, 32))
    return Btf.from_bytes(encoder.encode(), name="test")


@cache
def names() -> dict[str, object]:
    """What a generated text may use: the language's public names, and the events. Not to be changed."""
    public: dict[str, object] = {name: getattr(syscast, name) for name in syscast.__all__}
    return {**public, **CLASSES}


def file_of(probe: Probe) -> str:
    """The name under which a probe's text is known."""
    return f"<probe {probe.number}>"


def lower(unit: Unit, probe: Probe) -> None:
    """Lower one probe into a unit.

    Raises:
        CompileError: It is outside the language.
    """
    file = file_of(probe)
    linecache.cache[file] = (len(probe.text), None, probe.text.splitlines(keepends=True), file)
    space = dict(names())
    exec(compile(probe.text, file, "exec"), space)  # noqa: S102  (as a user's file is)
    function: FunctionType = space["probe"]  # type: ignore[assignment]  # its text says so
    context = surroundings(probe.parameters)
    lower_probe(unit, types(), read_function(function), (context,), f"p{probe.number}")


def surroundings(parameters: Sequence[Parameter]) -> ProgramContext:
    """A raw tracepoint with these parameters as its words."""
    arguments = tuple(
        ArgumentSource(
            each.name,
            offset=8 * index,
            size=(each.bits or 64) // 8,
            signed=each.signed,
            user=each.text,
            string=each.text,
            ctype="char *" if each.text else each.annotation,
        )
        for index, each in enumerate(parameters)
    )
    return ProgramContext(
        "raw_tracepoint", "case", "raw_tp/case", "raw_tracepoint", arguments=arguments
    )


def finish(unit: Unit) -> Compiled:
    """Run the passes over a unit's probes.

    Raises:
        InternalError: The compiler is at fault.
    """
    made = unit.program("cases", "x86_64")
    plain = tuple(msgspec.structs.replace(each, filtered=False) for each in made.functions)
    lowered = passes.run(msgspec.structs.replace(made, functions=plain), types())
    functions = tuple(_telling(each) for each in lowered.functions)
    program = msgspec.structs.replace(lowered, functions=functions)
    schemas = {number: _name(cls) for number, cls in unit.classes.items()}
    return Compiled(program, tuple(each.name for each in made.functions), schemas)


def _name(cls: type[Event]) -> str:
    return cls.__name__


def _telling(function: Function) -> Function:
    """A function that returns the number of the site where it raised, plus one."""
    site = next((slot for slot in function.slots if slot.name == SITE_SLOT), None)
    starts = [
        number
        for number, block in enumerate(function.blocks)
        if isinstance(first := block.ops[0], ops.SlotLoad) and first.slot == site
    ]
    if site is None or not starts or function.context is None:
        return function
    free = 1 + max(_registers(function))
    blocks = list(function.blocks)
    for number in range(starts[0], len(blocks)):
        last = blocks[number].ops[-1]
        if isinstance(last, ops.Return) and last.value is None:
            blocks[number] = _with_number(blocks[number], site, free)
            break
    return msgspec.structs.replace(function, blocks=tuple(blocks))


def _registers(function: Function) -> list[int]:
    return [
        made.id
        for block in function.blocks
        for op in block.ops
        if isinstance(made := getattr(op, "result", None), Reg)
    ]


def _with_number(block: Block, site: Slot, free: int) -> Block:
    assert site.type is not None
    number, wide, answer = Reg(free, site.type), Reg(free + 1, U64), Reg(free + 2, U64)
    return Block(
        block.label,
        (
            *block.ops[:-1],
            ops.SlotLoad(result=number, slot=site),
            ops.Convert(result=wide, a=number),
            ops.Binary(result=answer, op=ops.BinaryOp.ADD, a=wide, b=Const(1, U64)),
            ops.Return(value=answer),
        ),
    )


class Texts:
    """The strings among the arguments of many runs, one behind the other, as they will lie in memory.

    Attributes:
        data: All of them, each with its NUL.
    """

    def __init__(self) -> None:
        self.data = bytearray()
        self._places: dict[str, int] = {}

    def words(self, row: Row) -> list[int]:
        """Arguments as the words of a context; of a string its place in `data`."""
        return [self._place(each) if isinstance(each, str) else each & _MASK for each in row]

    def _place(self, text: str) -> int:
        if text not in self._places:
            self._places[text] = len(self.data)
            self.data += text.encode() + b"\0"
        return self._places[text]


def text_columns(parameters: Sequence[Parameter]) -> tuple[int, ...]:
    """Which words of a context point to text."""
    return tuple(index for index, each in enumerate(parameters) if each.text)
