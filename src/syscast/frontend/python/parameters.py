"""A probe's parameters: which argument of the target each one is, and how its value begins."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from syscast.btf.types import Ptr, Struct
from syscast.frontend.python.members import from_natural
from syscast.frontend.python.parameter import Parameter
from syscast.frontend.python.values import IntValue, Lowered, PtrValue, PyValue
from syscast.ir.ops import Argument
from syscast.ir.program import FUNCTION, ArgFrom
from syscast.ir.types import IntType, PtrType, Space

if TYPE_CHECKING:
    from syscast.frontend.python.context import Lowering
    from syscast.ir.program import ArgumentSource, ProgramContext

RETURN = -1
DURATION = -2


_NO_POINTERS = frozenset({"int", "bool", "float", "bytes"})
_NO_NUMBERS = frozenset({"str", "float", "bytes"})


def match_parameters(
    low: Lowering, function: ast.FunctionDef, contexts: tuple[ProgramContext, ...]
) -> list[Parameter]:
    """Match a function's parameters to a target.

    A function's and a tracepoint's arguments go by position, those behind a star by name; a system
    call's and a sample's go by name, and so do ``ret`` and ``duration``, and all those of a probe on
    many targets.
    """
    spec = function.args
    for extra, what in ((spec.vararg, "*"), (spec.kwarg, "**")):
        if extra is not None:
            raise low.rejection(
                extra,
                f"`{what}{extra.arg}` is not part of the probe language",
                "name each argument of the target",
            )
    for default in [*spec.defaults, *(each for each in spec.kw_defaults if each is not None)]:
        raise low.rejection(
            default,
            "a probe's parameters have no defaults",
            "leave the default out: the kernel gives every argument",
        )
    arguments = contexts[0].arguments
    known = {argument.name: index for index, argument in enumerate(arguments)}
    matched: list[Parameter] = []
    position = 0
    by_name = (
        contexts[0].syscall >= 0
        or contexts[0].program_type == "perf_event"
        or FUNCTION in known  # many targets: the argument may stand elsewhere in each
    )
    for arg in [*spec.posonlyargs, *([] if by_name else spec.args)]:
        special = _special(low, arg, known, contexts)
        if special is not None:
            matched.append(Parameter(arg.arg, special, arg, arg.annotation))
            continue
        if known.get(arg.arg, position) != position:
            raise low.rejection(
                arg,
                f"'{arg.arg}' is argument {known[arg.arg] + 1} of {low.context.target}, and this is place {position + 1}",
                f"parameters go by position; to take it by name, write it behind a star: *, {arg.arg}",
            )
        if position >= len(arguments):
            raise low.rejection(
                arg,
                f"{low.context.target} has {len(arguments)} arguments, this would be number {position + 1}",
                f"its arguments: {', '.join(known) or 'none'}",
            )
        matched.append(Parameter(arg.arg, position, arg, arg.annotation))
        position += 1
    for arg in [*(spec.args if by_name else []), *spec.kwonlyargs]:
        special = _special(low, arg, known, contexts)
        if special is None:
            special = known.get(arg.arg)
        if special is None:
            raise low.rejection(
                arg,
                f"{low.context.target} has no argument '{arg.arg}'",
                f"its arguments: {', '.join(known) or 'none'}",
            )
        matched.append(Parameter(arg.arg, special, arg, arg.annotation))
    if FUNCTION in known:
        anchor = ast.copy_location(ast.Name(FUNCTION, ast.Load()), function)
        matched.append(Parameter(FUNCTION, known[FUNCTION], anchor))
    return matched


def without_owner(
    low: Lowering, function: ast.FunctionDef, owner: tuple[object, ...]
) -> ast.FunctionDef:
    """A method's definition without its first parameter, which is bound to the object."""
    if not owner:
        return function
    spec = function.args
    places = [*spec.posonlyargs, *spec.args]
    if not places:
        raise low.rejection(
            function,
            "a method of an object has the object as its first parameter",
            f"def {function.name}(self, ...), or put @staticmethod over the probe's decorator",
        )
    low.bound[places[0].arg] = PyValue(owner[0])
    only, rest = spec.posonlyargs[1:], spec.args if spec.posonlyargs else spec.args[1:]
    left = ast.arguments(
        only, rest, spec.vararg, spec.kwonlyargs, spec.kw_defaults, spec.kwarg, spec.defaults
    )
    made = ast.FunctionDef(function.name, left, function.body, [])
    return ast.copy_location(made, function)


def _special(
    low: Lowering, arg: ast.arg, known: dict[str, int], contexts: tuple[ProgramContext, ...]
) -> int | None:
    if arg.arg in known:
        return None
    if arg.arg == "ret":
        if contexts[-1].returns is None:
            raise low.rejection(
                arg,
                f"{low.context.kind} of {low.context.target} sees no return value",
                "use @sc.call, fexit or kretprobe for a function that returns one",
            )
        return RETURN
    if arg.arg == "duration" and len(contexts) > 1:
        return DURATION
    return None


def source_of(context: ProgramContext, index: int) -> ArgumentSource:
    """The source of an argument or of the return value."""
    if index == RETURN:
        assert context.returns is not None
        return context.returns
    return context.arguments[index]


def begin(low: Lowering, parameter: Parameter, source: ArgumentSource) -> Lowered:
    """Read an argument from the context and describe it."""
    node = parameter.node
    anchor = (
        node if isinstance(node, ast.expr) else ast.copy_location(ast.Name(parameter.name), node)
    )
    if source.where is ArgFrom.NOWHERE:
        raise low.rejection(node, f"argument '{source.name}' cannot be read here: {source.why}")
    if low.context.user and not source.type_id:
        from syscast.frontend.python import userwords  # noqa: PLC0415  (few probes)

        worded = userwords.begin(low, parameter, source)
        if worded is not None:
            return worded
    if source.data_loc or source.array:
        struct = _is_struct(low, source.type_id)
        pointer = low.reg(PtrType(Space.KERNEL, source.type_id if struct else 0))
        low.add(Argument(pointer, parameter.index, span=low.span(node)))
        return PtrValue(pointer, source.type_id, Space.KERNEL, source.array, source.string)
    resolved = low.btf.resolve(source.type_id) if source.type_id else 0
    kind = low.btf.type(resolved) if resolved else None
    if (
        isinstance(kind, Ptr)
        or source.user
        or (kind is None and source.ctype.rstrip().endswith("*"))
    ):
        pointee = kind.type_id if isinstance(kind, Ptr) else source.pointee
        space = Space.USER if source.user else Space.KERNEL
        pointer = low.reg(PtrType(space, pointee, source.trusted))
        low.add(Argument(pointer, parameter.index, span=low.span(node)))
        return _annotated(low, parameter, PtrValue(pointer, pointee, space, text=source.string))
    _check_number(low, parameter)
    natural = IntType(source.size * 8, signed=source.signed)
    value = low.reg(natural)
    low.add(Argument(value, parameter.index, span=low.span(node)))
    if not source.type_id:
        return IntValue(low.widen(node, value, natural), natural, name=source.name)
    return from_natural(low, anchor, value, source.type_id, source.name)


def _is_struct(low: Lowering, type_id: int) -> bool:
    return bool(type_id) and isinstance(low.btf.type(low.btf.resolve(type_id)), Struct)


def _check_number(low: Lowering, parameter: Parameter) -> None:
    """Refuse an annotation that says that a number is something else."""
    name = _annotation_name(low, parameter.annotation)
    if parameter.annotation is not None and (
        name in _NO_NUMBERS or (name and low.btf.find(name, Struct) is not None)
    ):
        raise low.rejection(
            parameter.annotation,
            f"argument '{parameter.name}' of {low.context.target} is an integer, not {name}",
            "annotate it as int, or not at all",
        )


def _annotated(low: Lowering, parameter: Parameter, value: PtrValue) -> PtrValue:
    """Hold an annotation such as ``sock: socket`` against the pointer's type."""
    name = _annotation_name(low, parameter.annotation)
    if not name:
        return value
    if name in _NO_POINTERS or (name == "str" and not value.text):
        assert parameter.annotation is not None
        raise low.rejection(
            parameter.annotation,
            f"argument '{parameter.name}' of {low.context.target} is {low.describe(value)}, not {name}",
            "leave the annotation out; user_str() and kernel_str() read strings",
        )
    pointee = low.btf.type(low.btf.resolve(value.pointee)) if value.pointee else None
    if isinstance(pointee, Struct) and pointee.name == name:
        return value
    wanted = low.btf.find(name, Struct)
    if wanted is None:
        return value
    if pointee is None:
        return PtrValue(value.value, wanted, value.space)
    assert parameter.annotation is not None
    raise low.rejection(
        parameter.annotation,
        f"argument '{parameter.name}' of {low.context.target} is {low.describe(value)}, not to struct {name}",
        f'annotate it as {getattr(pointee, "name", "")} or use cast("struct {name}", {parameter.name})',
    )


def _annotation_name(low: Lowering, annotation: ast.expr | None) -> str:
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return annotation.value.split("|")[0].strip()
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        return _annotation_name(low, annotation.left)  # socket | None
    if not isinstance(annotation, ast.Name):
        return ""
    found, value = low.outer.outer(annotation.id) if low.outer else (False, None)
    if found and isinstance(value, str):
        return str(value)
    if isinstance(value, type) and value.__module__ == "builtins":
        return value.__name__
    return "" if found else annotation.id
