"""From a C text to an IR program: preprocess, parse, take in the declarations, lower each program."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pycparser import c_ast

from syscast.diagnostics import CompileError, Diagnostic, Span, render
from syscast.frontend.c import inlining, programs, tables
from syscast.frontend.c.btftypes import KernelTypes
from syscast.frontend.c.compat import KernelFacts
from syscast.frontend.c.declare import has_attribute
from syscast.frontend.c.dialect import context as context_address
from syscast.frontend.c.handlers import HANDLERS
from syscast.frontend.c.lowering import Frame, Lowering
from syscast.frontend.c.memberaliases import ALIASES
from syscast.frontend.c.names import Names
from syscast.frontend.c.parse import parse
from syscast.frontend.c.prelude import FOOTER, headers, prelude
from syscast.frontend.c.preprocess import preprocess
from syscast.frontend.c.rejected import Rejected
from syscast.frontend.c.tables import BadTable
from syscast.frontend.c.types import UNSIGNED_LONG, Pointer, Record
from syscast.frontend.c.unit import Unit
from syscast.frontend.c.values import CValue, Place
from syscast.ir.program import Function, Program
from syscast.ir.types import U64, Const

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.frontend.c.lowering import UserFunction
    from syscast.frontend.c.preprocessed import Preprocessed
    from syscast.frontend.c.surroundings import Surroundings
    from syscast.frontend.c.types import CType, Parameter
    from syscast.ir.types import Value
    from syscast.spec.objectspec import MapSpec


class Lowered(NamedTuple):
    """What a text became.

    Attributes:
        license: As ``#define BPF_LICENSE`` says, GPL without.
        warnings: Drawn as compilers do.
    """

    program: Program
    license: str
    warnings: tuple[str, ...]


def lower_text(
    text: str | bytes, name: str, surroundings: Surroundings, cflags: Sequence[str] = ()
) -> Lowered:
    """Lower a text of the bcc dialect.

    Args:
        text: The C.
        name: Its path, for messages.
        surroundings: The kernel that it is compiled for.
        cflags: ``-D``, ``-U``, ``-I``, ``-include``.

    Raises:
        CompileError: What is wrong with it.
    """
    if any(each.startswith("-DBPF_LICENSE") for each in cflags):
        raise CompileError(
            [
                Diagnostic(
                    "BPF_LICENSE cannot be specified through cflags",
                    Span(name, 1),
                    hint="write #define BPF_LICENSE GPL into the text",
                )
            ]
        )
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    words = prelude(surroundings.arch, wrapped=surroundings.syscall_wrapper())
    facts = KernelFacts(surroundings, text)
    preprocessed = preprocess(
        text,
        name,
        surroundings,
        cflags,
        macro=facts.macro,
        condition=facts.condition,
        prelude=words,
        footer=FOOTER,
        headers=headers(text),
    )
    names = Names(KernelTypes(surroundings, ALIASES), facts)
    tree = parse(preprocessed, names.is_type, names.near_type)
    unit = Unit(surroundings, names, preprocessed)
    unit.take(tree)
    functions = [made for each in unit.programs if (made := _program(unit, each)) is not None]
    maps = _maps(unit)
    if unit.findings:
        raise CompileError(unit.findings)
    program = Program(
        name.rpartition("/")[2].partition(".")[0] or "main",
        tuple(functions),
        maps=tuple(maps),
        sources=_sources(preprocessed),
        arch=surroundings.arch,
        tables=tuple(
            tables.meta(each, unit.dialect.events.get(each.name))
            for each in unit.dialect.tables.values()
        ),
    )
    drawn = [render(each, severity="warning") for each in unit.warnings]
    return Lowered(program, unit.license, (*preprocessed.warnings, *drawn))


def _sources(preprocessed: Preprocessed) -> dict[str, str]:
    return dict(preprocessed.sources)


def _maps(unit: Unit) -> list[MapSpec]:
    try:
        return tables.specs(unit.dialect.tables)
    except BadTable as bad:
        unit.report(unit.diagnostic(unit.places.get(bad.table), str(bad), bad.hint))
        return []


# ---------------------------------------------------------------- programs


def _program(unit: Unit, function: UserFunction) -> Function | None:
    """Lower one program; None where something is wrong, which the unit was told."""
    parameters = function.ctype.parameters or ()
    if any(not each.name for each in parameters):
        message = "arguments of BPF program definitions must be named"
        unit.report(unit.diagnostic(function.node.decl, message))
        return None
    context = programs.context_of(
        function.name,
        parameters[0].type if parameters else None,
        unpacked=_is_unpacked(function),
        surroundings=unit.surroundings,
    )
    low = Lowering(unit, HANDLERS)
    low.node = function.node
    low.builder.start("entry")
    try:
        values = _arguments(unit, function, low)
        inlining.body(low, function, values, Frame(function, function.ctype.returns))
    except Rejected as rejected:
        if rejected.diagnostic is not None:
            unit.report(rejected.diagnostic)
        return None
    except RecursionError:
        unit.report(unit.diagnostic(function.node, f"'{function.name}' is nested too deeply"))
        return None
    if unit.findings:  # no object is made of this text, and the blocks may be unfinished
        return None
    return Function(
        function.name,
        low.builder.blocks(),
        low.builder.slots(),
        context=context,
        id=-1,
        probe=function.name,
        filtered=False,
        span=unit.span(function.node),
    )


def _is_unpacked(function: UserFunction) -> bool:
    """Whether further parameters are the words of the context: programs of KFUNC_PROBE and the like."""
    return has_attribute(function.node.decl, programs.UNPACK) or has_attribute(
        function.node, programs.UNPACK
    )


def _arguments(unit: Unit, function: UserFunction, low: Lowering) -> list[CValue]:
    """What a program's parameters are: the context, and what lies in it."""
    parameters = function.ctype.parameters or ()
    if not parameters:
        return []
    first, *others = parameters
    address = context_address(low)
    values = [low.convert(CValue(Pointer(_pointed(first)), address), first.type)]
    if not others:
        return values
    used = _names_in(function.node.body)
    if _is_unpacked(function):
        places = [8 * number for number in range(len(others))]
        base: Value = address
    else:
        if len(others) > programs.MOST_ARGUMENTS:
            low.error(
                function.node.decl,
                "too many arguments, bcc only supports in-register parameters",
                f"at most {programs.MOST_ARGUMENTS} behind the context",
            )
        arch = unit.surroundings.arch
        table = programs.REGISTERS
        base = address
        if programs.is_syscall(function.name):
            table = programs.SYSCALL_REGISTERS
            if unit.surroundings.syscall_wrapper():
                base = _word(low, address, programs.REGISTERS[arch][0])
                base = low.convert(CValue(UNSIGNED_LONG, base), Pointer(UNSIGNED_LONG)).made
        places = list(table[arch][: len(others)])
    for parameter, offset in zip(others, places, strict=True):
        values.append(_argument(low, function, parameter, base, offset, used))
    return values


def _pointed(first: Parameter) -> CType:
    return first.type.to if isinstance(first.type, Pointer) else UNSIGNED_LONG


def _argument(
    low: Lowering,
    function: UserFunction,
    parameter: Parameter,
    base: Value,
    offset: int,
    used: frozenset[str],
) -> CValue:
    ctype = parameter.type
    if isinstance(ctype, Record):
        low.error(
            function.node.decl,
            f"parameter '{parameter.name}' is a struct, which no register holds",
        )
    if parameter.name not in used:
        zero = CValue(UNSIGNED_LONG, Const(0, U64))
        return low.convert(zero, ctype)
    return low.convert(CValue(UNSIGNED_LONG, _word(low, base, offset)), ctype)


def _word(low: Lowering, base: Value, offset: int) -> Value:
    return low.rvalue(Place(UNSIGNED_LONG, ptr=base, offset=offset)).made


def _names_in(node: c_ast.Node) -> frozenset[str]:
    found: set[str] = set()
    work = [node]
    while work:
        each = work.pop()
        if isinstance(each, c_ast.ID):
            found.add(each.name)
        work += [child for _, child in each.children()]
    return frozenset(found)
