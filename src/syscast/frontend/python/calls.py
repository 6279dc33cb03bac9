"""Calls inside a probe: the language's functions, event classes, a few of Python's own."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from syscast.events.event import Event
from syscast.frontend.python import casts, enums, kernelenums, language, strings, textformat
from syscast.frontend.python.arguments import arguments
from syscast.frontend.python.eventing import construct, read_text
from syscast.frontend.python.functions import callee_of, inline
from syscast.frontend.python.integers import (
    CASTS,
    absolute,
    extreme,
    power,
    quotient_and_rest,
    to_int,
    wrap,
)
from syscast.frontend.python.members import address_of, is_char
from syscast.frontend.python.values import (
    BoolValue,
    IntValue,
    Lowered,
    MethodValue,
    PlaceValue,
    PtrValue,
    PyValue,
    StrValue,
)
from syscast.ir.ops import Convert, CopyBytes, Now, Predicate, Store
from syscast.ir.types import U8, U64, Const, PtrType, Space, Value
from syscast.state.structs import Struct

if TYPE_CHECKING:
    from syscast.frontend.python.context import CallHandler, Lowering, MethodHandler

MAX_STR = 4096
"""PATH_MAX, and what the per-CPU scratch room is planned for."""

_HINTS = {
    "bounded": "it bounds a loop: for ... in bounded(range(n), limit=64), while bounded(..., limit=64)",
    "list_entries": "it stands in a loop: for entry in list_entries(...)",
    "hlist_entries": "it stands in a loop: for entry in hlist_entries(...)",
    "print": "send an event: emit(...)",
    "open": "a probe has no files; send an event: emit(...)",
}


def _instead(name: str, value: object) -> str:
    """What to call instead of something that a probe cannot call."""
    if _HINTS.get(name):
        return _HINTS[name]
    module = getattr(value, "__module__", None) or "builtins"
    if module != "builtins" and module.partition(".")[0] != "syscast":
        return (
            "a probe makes no Python objects; make it outside and use its attributes"
            if isinstance(value, type)
            else "it is not written in Python; write it as a function of your own"
        )
    return "a probe can call functions written in Python, and " + ", ".join(sorted(NAMES))


def call(low: Lowering, node: ast.expr) -> Lowered:
    """``f(...)``."""
    assert isinstance(node, ast.Call)
    function = low.expr(node.func)
    if isinstance(function, MethodValue):
        method = low.method(function.receiver, function.name)
        assert method is not None
        return method(low, node, function.receiver)
    if isinstance(function, PyValue):
        value = function.value
        handler = low.calls.get(id(value))
        if handler is not None:
            return handler(low, node)
        if isinstance(value, type) and issubclass(value, Event):
            return construct(low, node, value)
        if isinstance(value, type) and issubclass(value, Struct):
            return low.states().construct(low, node, value)
        callee = callee_of(value)
        if callee is not None:
            return inline(low, node, callee)
        name = getattr(value, "__name__", ast.unparse(node.func))
        raise low.rejection(node.func, f"a probe cannot call {name}()", _instead(name, value))
    raise low.rejection(
        node.func,
        f"{low.describe(function)} cannot be called",
        "a probe can call functions written in Python, and those of syscast",
    )


def _now(low: Lowering, node: ast.Call) -> Lowered:
    arguments(low, node, 0, 0)
    result = low.reg(U64)
    low.add(Now(result, span=low.span(node)))
    return IntValue(result, U64)


def _read_string(space: Space) -> CallHandler:
    def handler(low: Lowering, node: ast.Call) -> Lowered:
        pointer_node, *rest = arguments(low, node, 1, 2)
        size = 256
        if rest:
            known = low.expr(rest[0])
            if not isinstance(known, PyValue) or not isinstance(known.value, int):
                raise low.rejection(
                    rest[0],
                    "the capacity must be a constant",
                    "write a number of bytes: user_str(pointer, 256)",
                )
            size = int(known.value)
        if not 1 < size <= MAX_STR:
            raise low.rejection(
                rest[0],
                f"the capacity must be 2 to {MAX_STR} bytes",
                "a path fits 256 bytes most often; PATH_MAX is 4096",
            )
        source = low.known(pointer_node, low.expr(pointer_node))
        if isinstance(source, StrValue):
            return _reread(low, pointer_node, source, size if rest else source.size)
        return read_text(low, node, _text_pointer(low, pointer_node, source, space), size)

    return handler


def _reread(low: Lowering, node: ast.expr, source: StrValue, size: int) -> StrValue:
    """A system call's string argument was read already, at the entry: into as much room as is asked for."""
    if size > source.size and isinstance(node, ast.Name):
        low.wide.add(f"({node.id}) text {size}")  # see `capacities`: everything is lowered again
    if size >= source.size:
        return source
    span = low.span(node)
    _, address = low.buffer("text", size)
    low.add(CopyBytes(address, source.address, size, span=span))
    low.add(Store(address, Const(0, U8), size - 1, span=span))
    return StrValue(address, size)


def _text_pointer(low: Lowering, node: ast.expr, value: Lowered, space: Space) -> Value:
    """The pointer an expression gives, seen in the space that the call names."""
    if isinstance(value, PlaceValue):
        if space is Space.KERNEL:
            return address_of(low, node, value)
        raise low.rejection(
            node, f"{low.describe(value)} lies in kernel memory", "use kernel_str()"
        )
    if isinstance(value, PtrValue | IntValue):
        if isinstance(value, PtrValue) and value.pointee and not is_char(low, value.pointee):
            raise low.rejection(
                node,
                f"{low.describe(value)} is not a pointer to characters",
                "name the member that points to text, or say what it is: cast(...)",
            )
        result = low.reg(PtrType(space))
        low.add(Convert(result, value.value, span=low.span(node)))
        return result
    raise low.rejection(
        node,
        f"a pointer to characters is needed, this is {low.describe(value)}",
        "give it the `char *` itself, such as filename",
    )


def _bool(low: Lowering, node: ast.Call) -> Lowered:
    (inner,) = arguments(low, node, 1, 1)
    return BoolValue(low.truth(inner))


def _path_of(low: Lowering, node: ast.Call) -> Lowered:
    from syscast.frontend.python import paths  # noqa: PLC0415  (few probes ask; it is large)

    return paths.path_of(low, node)


def _emit_elsewhere(low: Lowering, node: ast.Call) -> Lowered:
    raise low.rejection(node, "emit() has no value", "write it as a statement of its own")


NAMES: dict[str, object] = {
    "now": language.now,
    "emit": language.emit,
    "user_str": language.user_str,
    "kernel_str": language.kernel_str,
    "cast": language.cast,
    "container_of": language.container_of,
    "enum": kernelenums.enum,
    "wrap32": language.wrap32,
    "wrap64": language.wrap64,
    "abs": abs,
    "bool": bool,
    "divmod": divmod,
    "int": int,
    "len": len,
    "max": max,
    "min": min,
    "path_of": language.path_of,
    "pow": pow,
    "str": str,
}

CALLS: dict[int, CallHandler] = {
    id(language.now): _now,
    id(language.emit): _emit_elsewhere,
    id(language.user_str): _read_string(Space.USER),
    id(language.kernel_str): _read_string(Space.KERNEL),
    id(language.cast): casts.cast,
    id(language.container_of): casts.container_of,
    id(kernelenums.enum): enums.enum,
    id(language.path_of): _path_of,
    id(language.wrap32): wrap(32),
    id(language.wrap64): wrap(64),
    id(abs): absolute,
    id(len): strings.length,
    id(str): textformat.to_text,
    id(bool): _bool,
    id(divmod): quotient_and_rest,
    id(int): to_int,
    id(max): extreme(Predicate.SGT),
    id(min): extreme(Predicate.SLT),
    id(pow): power,
    **CASTS,
}

METHODS: dict[tuple[type, str], MethodHandler] = {**strings.METHODS}
"""Methods by the class of what they are called on: of lowered values, or of captured objects."""
