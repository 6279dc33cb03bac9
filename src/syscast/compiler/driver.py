"""From probe requests to an object: lower, look in the cache, else run the passes and LLVM.

The cache's key is the IR, spans included, since line info is part of the object. What cannot change
the object (other functions of the file, the text behind a probe) does not cost a compilation, and
whatever can does. LLVM's version is no part of it: an object stays right whichever made it.
"""

from __future__ import annotations

import ast
from types import FunctionType, MappingProxyType, MethodType
from typing import TYPE_CHECKING

import msgspec

from syscast._version import __version__
from syscast.btf.record import Record
from syscast.compiler.stamp import compiler_stamp
from syscast.diagnostics import CompileError
from syscast.errors import FormatError, SyscastError, UsageError
from syscast.events.machineints import i8, i16, i32, i64, u8, u16, u32, u64
from syscast.frontend.python import language
from syscast.frontend.python.kernelenums import enum
from syscast.frontend.python.lower import lower_expressions, lower_probe, lower_tally
from syscast.frontend.python.source import FunctionSource, SourceText, read_function
from syscast.frontend.python.tally import STACKS, STATE, Tally
from syscast.frontend.python.unit import Unit
from syscast.spec.digest import digest
from syscast.spec.objectspec import ObjectSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from syscast.btf.lookup import Btf
    from syscast.codegen.child import Child
    from syscast.diagnostics import Diagnostic
    from syscast.events.event import Event
    from syscast.events.where import Where
    from syscast.ir.program import Function, Program, ProgramContext
    from syscast.spec.meta import FieldMeta
    from syscast.state.state import State

_PACKAGES = ("passes", "codegen", "compiler", "btf", "ir", "spec")


class Expressions(Record):
    """A probe given as expressions: fields with names, and a condition."""

    fields: tuple[tuple[str, ast.expr, SourceText], ...] = ()
    condition: tuple[ast.expr, SourceText] | None = None


class Request(Record):
    """One probe to compile.

    Attributes:
        probe: The name that events carry.
        contexts: One program's surroundings, or entry's and exit's.
        body: A Python function or a method of an object, `Expressions`, or a `Tally`.
        where: Filters that its events must pass; told where they cannot run in the kernel.
    """

    probe: str
    contexts: tuple[ProgramContext, ...]
    body: object
    where: Where | None = None


def lower(
    requests: Sequence[Request],
    btf: Btf,
    *,
    arch: str,
    companions: Sequence[Function] = (),
    states: dict[str, State] | None = None,
) -> tuple[Program, dict[int, type[Event]]]:
    """Lower probes into one IR program.

    Args:
        requests: The probes of one object.
        btf: Types of the kernel, or of the one module that the probes attach to.
        arch: Machine whose registers the programs read.
        companions: Functions made elsewhere that belong into the object.
        states: Gets the objects that the probes share with Python, by the name of their map.

    Raises:
        CompileError: A probe is outside the language.
    """
    unit = Unit()
    findings: list[Diagnostic] = []
    for request in requests:
        try:
            _lower_one(unit, btf, request)
        except CompileError as error:
            findings += error.diagnostics
        except (SyscastError, RecursionError):
            raise
        except Exception as error:
            from syscast.compiler.bugs import in_front_end  # noqa: PLC0415  (never, one hopes)

            raise in_front_end(error, request.probe, request.body) from error
    findings = findings or unit.silent()
    if findings:
        raise CompileError(findings)
    for function in companions:
        unit.add(msgspec.structs.replace(function, id=unit.program_id()))
    if states is not None:
        states.update(unit.states)
    name = requests[0].probe if requests else "syscast"
    return unit.program(name, arch), unit.classes


def _lower_one(unit: Unit, btf: Btf, request: Request) -> None:
    if isinstance(request.body, Expressions):
        lower_expressions(
            unit,
            btf,
            request.contexts,
            request.probe,
            fields=request.body.fields,
            condition=request.body.condition,
            outer=_scope(),
            where=request.where,
        )
    elif isinstance(request.body, Tally):
        scope = _scope({STATE: request.body.state, STACKS: request.body.stacks})
        lower_tally(unit, btf, request.contexts, request.probe, request.body, scope)
    else:
        source = _source(request)
        lower_probe(unit, btf, source, request.contexts, request.probe, where=request.where)


def _source(request: Request) -> FunctionSource:
    body = request.body
    function: object = body.__func__ if isinstance(body, MethodType) else body
    if not isinstance(function, FunctionType):
        raise UsageError(
            f"probe '{request.probe}': compile: {function!r:.60} is no function written in Python"
        )
    source = read_function(function)
    if isinstance(body, MethodType):
        source.instance = (body.__self__,)
    return source


def key_types(
    contexts: tuple[ProgramContext, ...], tally: Tally, btf: Btf
) -> tuple[FieldMeta, ...]:
    """How the keys of a probe that counts would be kept.

    Raises:
        CompileError: An expression is outside the language.
    """
    return lower_tally(Unit(), btf, contexts, "tally", tally, _scope({STACKS: tally.stacks}))


_LANGUAGE = (
    *("current", "now", "user_str", "kernel_str", "path_of"),
    *("cast", "container_of", "wrap32", "wrap64"),
)
_INTEGERS = (u8, u16, u32, u64, i8, i16, i32, i64, enum)


def words() -> frozenset[str]:
    """The names that expressions may use beside arguments."""
    return frozenset((*_LANGUAGE, *(each.__name__ for each in _INTEGERS)))


def _scope(more: Mapping[str, object] = MappingProxyType({})) -> FunctionSource:
    """The names that expressions may use beside arguments: those of the probe language."""
    found: dict[str, object] = {name: getattr(language, name) for name in _LANGUAGE}
    found.update({each.__name__: each for each in _INTEGERS})
    found.update(more)
    parameters = ast.arguments([], [], None, [], [], None, [])
    node = ast.FunctionDef("expression", parameters, [], [], lineno=1, col_offset=0)
    return FunctionSource(node.name, node, SourceText.of("<expression>", ""), found, {})


def build(program: Program, btf: Btf) -> bytes:
    """Compile an IR program to an ELF object, without the cache.

    Raises:
        InternalError: A bug of a front end, a pass or codegen.
        TargetError: The kernel's BTF lacks a struct member that a pass needs.
        NotSupportedError: llvmlite is not installed.
    """
    from syscast.codegen.child import Child  # noqa: PLC0415  (a warm start needs none)

    with Child() as child:  # it loads LLVM while the passes are imported and run here
        return _built(child, program, btf)


def _built(child: Child, program: Program, btf: Btf) -> bytes:
    from syscast.compiler.backend import build_object  # noqa: PLC0415  (a warm start needs none)

    try:
        return build_object(program, btf, child=child)
    except SyscastError:
        raise
    except Exception as error:
        from syscast.compiler.bugs import in_back_end  # noqa: PLC0415  (never, one hopes)

        raise in_back_end(error, program) from error


def _made(program: Program, btf: Btf, start: Callable[[], Child] | None) -> ObjectSpec:
    """Build an object and read it; each process does what it can while the other works."""
    from syscast.codegen.child import Child  # noqa: PLC0415  (a warm start needs none)

    with (start or Child)() as child:
        return made_by(child, program, btf)


def made_by(child: Child, program: Program, btf: Btf) -> ObjectSpec:
    """Build an object with a running child, which this ends, and read it.

    Raises:
        InternalError: A bug of a front end, a pass or codegen; CompileError: a pass refutes the text.
    """
    child.meanwhile = _import_reader
    data = _built(child, program, btf)
    child.end()
    from syscast.spec.read import read_object  # noqa: PLC0415  (a warm start reads no ELF)

    try:
        return read_object(data, program.name)
    except FormatError as error:
        from syscast.compiler.bugs import in_back_end  # noqa: PLC0415  (never, one hopes)

        raise in_back_end(error, program) from error


def _import_reader() -> None:
    import syscast.spec.read  # noqa: PLC0415, F401  (early, see `Child`)


def compile_program(
    program: Program, btf: Btf, identity: str, start: Callable[[], Child] | None = None
) -> tuple[ObjectSpec, bool]:
    """Compile an IR program, or find its object in the cache.

    Args:
        program: From `lower`.
        btf: What it was lowered against.
        identity: Content key of that BTF: type ids in IR mean nothing without it.
        start: Gives LLVM's child where it is needed; else one is started.

    Returns:
        The object, and whether it came from the cache.
    """
    from syscast.compiler.cache import Cache  # noqa: PLC0415  (keeps `lower` light)

    cache = Cache.default()
    key = _key(program, identity)
    held = cache.get(key)
    if held is not None:
        try:
            return ObjectSpec.decode(held), True
        except msgspec.MsgspecError:
            pass  # an older layout of the blueprint: made again and overwritten
    spec = _made(program, btf, start)
    cache.put(key, spec.encode())
    return spec, False


def _key(program: Program, identity: str) -> str:
    parts = (__version__, compiler_stamp(_PACKAGES), identity, repr(program))
    return digest(*[part.encode(errors="surrogateescape") for part in parts]).hex()
