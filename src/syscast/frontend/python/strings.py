"""Strings: comparisons, ``startswith``, ``endswith``, ``in``, ``len``, subscripts and slices.

A string of a probe is bytes in a buffer, zero behind its end. Whatever holds text in the kernel or
in user memory (arrays of ``char``, pointers to text) is read into one where a string is needed:
an array whole, a pointer as `kernel_str` and `user_str` read it without a size. Positions and
lengths count bytes, which are characters in ASCII.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from syscast.btf.types import Array, Int
from syscast.frontend.python.arguments import arguments, bytes_for_text, python_int, python_text
from syscast.frontend.python.eventing import as_text, read_text
from syscast.frontend.python.members import address_of
from syscast.frontend.python.values import (
    BoolValue,
    IntValue,
    Lowered,
    PlaceValue,
    PtrValue,
    PyValue,
    StrValue,
    TupleValue,
)
from syscast.ir.ops import (
    Binary,
    BinaryOp,
    Branch,
    BytesEqual,
    Compare,
    Convert,
    CopyBytes,
    ExactCompare,
    Fill,
    Load,
    Masked,
    Offset,
    Predicate,
    Raise,
    ReadStr,
    SameText,
    Select,
    Store,
    StrLen,
    TextFind,
    TextSlice,
)
from syscast.ir.types import BOOL, I64, U8, U64, Const, PtrType, Space, Value
from syscast.state.state import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from syscast.frontend.python.context import Lowering, MethodHandler, TruthHandler

DEFAULT_CAPACITY = 256
"""Of ``kernel_str`` and ``user_str``, in bytes with the NUL."""

MAX_CAPACITY = 4096
"""PATH_MAX, and what the per-CPU scratch room is planned for."""

_NEVER_FAILS = -1
_MAX_NEEDLE = 64


# ---------------------------------------------------------------- what is text


def is_text(low: Lowering, value: Lowered) -> bool:
    """Whether a value holds text: a buffer, an array of ``char``, or a pointer to text."""
    if isinstance(value, StrValue):
        return True
    if isinstance(value, PtrValue):
        return value.text
    return isinstance(value, PlaceValue) and char_array(low, value.type_id) is not None


def char_array(low: Lowering, type_id: int) -> Array | None:
    """An array of plain ``char``; those of ``u8`` and ``unsigned char`` hold numbers."""
    kind = low.btf.type(low.btf.resolve(type_id))
    if not isinstance(kind, Array):
        return None
    element = low.btf.type(low.btf.resolve(kind.element_id))
    return kind if isinstance(element, Int) and element.name == "char" else None


def text_of(
    low: Lowering, node: ast.expr, value: Lowered, capacity: int = DEFAULT_CAPACITY
) -> StrValue:
    """The string that a value holds, in a buffer; at most ``capacity`` bytes of a pointer's."""
    if isinstance(value, StrValue):
        return value
    raw = python_text(value)
    if raw is not None:
        found = as_text(low, node, value, max(2, len(raw) + 1))
        assert found is not None
        return found
    if isinstance(value, PlaceValue):
        array = char_array(low, value.type_id)
        if array is not None:
            capacity = array.count + 1 if array.count else capacity
    elif isinstance(value, PtrValue) and value.array:
        capacity = value.array + 1
    read = as_text(low, node, value, capacity) if is_text(low, value) else None
    if read is None:
        hint = ""
        if isinstance(value, PtrValue):
            hint = "read it with kernel_str(pointer) or user_str(pointer)"
        raise low.rejection(node, f"a string is needed here, this is {low.describe(value)}", hint)
    return read


def _truth(low: Lowering, node: ast.expr, value: Lowered) -> Value | None:
    """Whether a string is not empty: whether its first byte is no NUL."""
    if not is_text(low, value):
        return None
    if isinstance(value, PlaceValue):
        text = read_text(low, node, address_of(low, node, value), 2)
    else:
        text = text_of(low, node, value)
    first, result = low.reg(U8), low.reg(BOOL)
    low.add(Load(first, text.address, span=low.span(node)))
    low.add(Compare(result, Predicate.NE, first, Const(0, U8), span=low.span(node)))
    return result


# ---------------------------------------------------------------- length, positions


def length_of(low: Lowering, node: ast.expr, text: StrValue) -> Value:
    """Bytes of a string, i64."""
    result = low.reg(I64)
    low.add(StrLen(result, text.address, text.size, span=low.span(node)))
    return result


def length(low: Lowering, node: ast.Call) -> Lowered:
    """``len(x)``: of a string, of an array, of a tuple."""
    (inner,) = arguments(low, node, 1, 1)
    value = low.expr(inner)
    if isinstance(value, PyValue) and isinstance(value.value, State):
        return low.states().length(low, inner, value.value)
    if isinstance(value, PyValue) and isinstance(
        value.value, str | bytes | tuple | set | frozenset | range
    ):
        return PyValue(len(value.value))
    if isinstance(value, TupleValue):
        return PyValue(len(value.items))
    if is_text(low, value):
        text = text_of(low, inner, value)
        return IntValue(length_of(low, node, text), I64, known=(0, text.size - 1))
    if isinstance(value, PlaceValue):
        kind = low.btf.type(low.btf.resolve(value.type_id))
        if isinstance(kind, Array) and kind.count:
            return PyValue(kind.count)
    raise low.rejection(inner, f"{low.describe(value)} has no length")


def _source(low: Lowering, node: ast.AST, text: StrValue, start: Value) -> Value:
    """The address of a byte inside a string, to be read as kernel memory."""
    # The sum is made where the verifier allows it, in memory of our own, and only then seen as an
    # address of the kernel's.
    delta, inside, result = (
        low.reg(U64),
        low.reg(text.address.type),
        low.reg(PtrType(Space.KERNEL)),
    )
    span = low.span(node)
    mask = (1 << (text.size - 1).bit_length()) - 1
    low.add(Masked(delta, start, mask, span=span))
    low.add(Offset(inside, text.address, delta, span=span))
    low.add(Convert(result, inside, span=span))
    return result


def _tail(low: Lowering, node: ast.AST, text: StrValue, start: Value, size: int) -> StrValue:
    """What stands in a string from a byte on, at most ``size - 1`` bytes; start is inside it."""
    _, address = low.buffer("text", size)
    ignored = low.reg(I64)
    source = _source(low, node, text, start)
    low.add(ReadStr(ignored, address, size, source, _NEVER_FAILS, span=low.span(node)))
    return StrValue(address, size)


# ---------------------------------------------------------------- comparisons


def same(low: Lowering, node: ast.expr, left: StrValue, right: StrValue) -> Value:
    """Whether two strings are equal; text is zero behind its end, so the smaller buffer decides."""
    result = low.reg(BOOL)
    size = min(left.size, right.size)
    low.add(SameText(result, left.address, right.address, size, span=low.span(node)))
    return result


def contains(low: Lowering, node: ast.expr, needle: bytes, text: StrValue) -> Value:
    """``needle in text``."""
    if not needle:
        return Const(1, BOOL)
    if b"\0" in needle or len(needle) >= text.size:
        raise low.rejection(
            node, f"this can never be true: the text has at most {text.size - 1} bytes and no NUL"
        )
    if len(needle) > _MAX_NEEDLE:
        raise low.rejection(node, f"`in` looks for at most {_MAX_NEEDLE} bytes in a probe")
    result = low.reg(BOOL)
    low.add(TextFind(result, text.address, text.size, needle, span=low.span(node)))
    return result


def _affixes(low: Lowering, node: ast.Call, capacity: Callable[[int], StrValue]) -> list[bytes]:
    """The constants of ``startswith`` and ``endswith``: one string, or a tuple of them."""
    (inner,) = arguments(low, node, 1, 1)
    value = low.expr(inner)
    items: tuple[Lowered, ...] = (value,)
    if isinstance(value, TupleValue):
        items = value.items
    elif isinstance(value, PyValue) and isinstance(value.value, tuple):
        items = tuple(PyValue(each) for each in value.value)
    found = []
    for item in items:
        if isinstance(item, PyValue) and isinstance(item.value, bytes):
            raise low.rejection(inner, *bytes_for_text(item.value))
        raw = python_text(item)
        if raw is None:
            raise low.rejection(
                inner, f"a constant string is needed here, this is {low.describe(item)}"
            )
        size = capacity(len(raw)).size
        if b"\0" in raw or len(raw) >= size:
            raise low.rejection(
                inner,
                f"this can never be true: the text has at most {size - 1} bytes and no NUL",
            )
        found.append(raw)
    return found


def _any(low: Lowering, node: ast.expr, answers: list[Value]) -> Value:
    found: Value = Const(0, BOOL)
    for answer in answers:
        either = low.reg(BOOL)
        low.add(Select(either, answer, Const(1, BOOL), found, span=low.span(node)))
        found = either
    return found


def _method(
    handler: Callable[[Lowering, ast.Call, StrValue], Lowered],
) -> MethodHandler:
    """A method of strings, for everything that holds text."""

    def wrapped(low: Lowering, node: ast.Call, receiver: Lowered) -> Lowered:
        place = node.func.value if isinstance(node.func, ast.Attribute) else node
        return handler(low, node, text_of(low, place, receiver))

    return wrapped


def _startswith(low: Lowering, node: ast.Call, text: StrValue) -> Lowered:
    answers = []
    for prefix in _affixes(low, node, lambda _: text):
        equal = low.reg(BOOL)
        low.add(BytesEqual(equal, text.address, prefix, span=low.span(node)))
        answers.append(equal)
    return BoolValue(_any(low, node, list(answers)))


def _endswith(low: Lowering, node: ast.Call, text: StrValue) -> Lowered:
    whole = None
    answers: list[Value] = []
    for suffix in _affixes(low, node, lambda _: text):
        whole = whole or length_of(low, node, text)
        answers.append(_ends_with(low, node, text, whole, suffix))
    return BoolValue(_any(low, node, answers))


def _ends_with(
    low: Lowering, node: ast.Call, text: StrValue, whole: Value, suffix: bytes
) -> Value:
    span = low.span(node)
    size = Const(len(suffix), I64)
    long, start, inside = low.reg(BOOL), low.reg(I64), low.reg(I64)
    low.add(ExactCompare(long, Predicate.SGE, whole, size, span=span))
    low.add(Binary(start, BinaryOp.SUB, whole, size, span=span))
    low.add(Select(inside, long, start, Const(0, I64), span=span))
    end = _tail(low, node, text, inside, len(suffix) + 2)
    equal, both = low.reg(BOOL), low.reg(BOOL)
    low.add(BytesEqual(equal, end.address, suffix + b"\0", span=span))
    low.add(Select(both, long, equal, Const(0, BOOL), span=span))
    return both


# ---------------------------------------------------------------- subscripts and slices


def element(low: Lowering, node: ast.Subscript, text: StrValue) -> Lowered:
    """``s[i]``: a string of one byte, or IndexError."""
    index = low.expr(node.slice)
    known = python_int(index)
    if known is not None and known >= 0:
        return _element_at(low, node, text, known)
    if known is not None and -known >= text.size:
        raise low.rejection(
            node.slice, f"index {known} is outside a string of at most {text.size - 1} bytes"
        )
    span = low.span(node)
    number = low.integer(node.slice, index)
    whole = length_of(low, node, text)
    position = _from_end(low, node, number, whole)
    for predicate, bound in ((Predicate.SGE, Const(0, I64)), (Predicate.SLT, whole)):
        good = low.reg(BOOL)
        low.add(ExactCompare(good, predicate, position, bound, span=span))
        _raise_unless(low, node, good)
    return _tail(low, node, text, position, 2)


def _element_at(low: Lowering, node: ast.Subscript, text: StrValue, index: int) -> Lowered:
    if index >= text.size - 1:
        raise low.rejection(
            node.slice, f"index {index} is outside a string of at most {text.size - 1} bytes"
        )
    span = low.span(node)
    byte, there = low.reg(U8), low.reg(BOOL)
    low.add(Load(byte, text.address, index, span=span))
    low.add(Compare(there, Predicate.NE, byte, Const(0, U8), span=span))
    _raise_unless(low, node, there)
    _, address = low.buffer("char", 2)
    low.add(Store(address, byte, 0, span=span))
    low.add(Store(address, Const(0, U8), 1, span=span))
    return StrValue(address, 2)


def _raise_unless(low: Lowering, node: ast.Subscript, good: Value) -> None:
    inside, outside = low.builder.label("index"), low.builder.label("index.out")
    low.add(Branch(good, inside, outside, span=low.span(node)))
    low.builder.start(outside)
    low.add(Raise(low.site(node.slice, "IndexError"), span=low.span(node)))
    low.builder.start(inside)


def _from_end(low: Lowering, node: ast.AST, index: IntValue, whole: Value) -> Value:
    """An index, counted from the end where it is negative; I64."""
    span = low.span(node)
    if index.kind == U64:
        # Beyond any string, and still so as the greatest i64.
        huge, signed, position = low.reg(BOOL), low.reg(I64), low.reg(I64)
        limit = Const((1 << 63) - 1, I64)
        low.add(ExactCompare(huge, Predicate.SGT, index.value, limit, span=span))
        low.add(Convert(signed, index.value, span=span))
        low.add(Select(position, huge, limit, signed, span=span))
        return position
    below, moved, position = low.reg(BOOL), low.reg(I64), low.reg(I64)
    low.add(ExactCompare(below, Predicate.SLT, index.value, Const(0, I64), span=span))
    low.add(Binary(moved, BinaryOp.ADD, index.value, whole, span=span))
    low.add(Select(position, below, moved, index.value, span=span))
    return position


def slice_of(low: Lowering, node: ast.Subscript, text: StrValue) -> Lowered:
    """``s[a:b]``, with Python's meaning of negative and missing ends."""
    part = node.slice
    assert isinstance(part, ast.Slice)
    if part.step is not None and python_int(low.expr(part.step)) != 1:
        raise low.rejection(part.step, "a slice of a string has no step in a probe")
    ends = [None if each is None else low.expr(each) for each in (part.lower, part.upper)]
    start, stop = (None if each is None else python_int(each) for each in ends)
    constant = all(
        each is None or (known is not None and known >= 0)
        for each, known in zip(ends, (start, stop), strict=True)
    )
    if constant:
        return _constant_slice(low, node, text, start or 0, stop)
    return _run_time_slice(low, node, text, (part.lower, ends[0]), (part.upper, ends[1]))


def _constant_slice(
    low: Lowering, node: ast.Subscript, text: StrValue, start: int, stop: int | None
) -> Lowered:
    last = text.size - 1
    stop = last if stop is None else min(stop, last)
    count = stop - start
    if count <= 0:
        return PyValue("")
    _, address = low.buffer("slice", count + 1)
    low.add(Fill(address, count + 1, span=low.span(node)))
    low.add(CopyBytes(address, text.address, count, src_offset=start, span=low.span(node)))
    return StrValue(address, count + 1)


def _run_time_slice(
    low: Lowering,
    node: ast.Subscript,
    text: StrValue,
    first: tuple[ast.expr | None, Lowered | None],
    last: tuple[ast.expr | None, Lowered | None],
) -> Lowered:
    whole = length_of(low, node, text)
    start = _end_of(low, first, whole, Const(0, I64))
    stop = _end_of(low, last, whole, whole)
    span = low.span(node)
    count, empty, kept = low.reg(I64), low.reg(BOOL), low.reg(I64)
    low.add(Binary(count, BinaryOp.SUB, stop, start, span=span))
    low.add(ExactCompare(empty, Predicate.SLT, count, Const(0, I64), span=span))
    low.add(Select(kept, empty, Const(0, I64), count, span=span))
    size = 1 << (text.size - 1).bit_length()
    _, address = low.buffer("slice", size)
    low.add(TextSlice(address, size, text.address, text.size, start, kept, span=span))
    return StrValue(address, size)


def _end_of(
    low: Lowering, end: tuple[ast.expr | None, Lowered | None], whole: Value, missing: Value
) -> Value:
    """A slice's end, moved into 0 to the length."""
    node, value = end
    if node is None or value is None:
        return missing
    position = _from_end(low, node, low.integer(node, value), whole)
    for predicate, bound in ((Predicate.SLT, Const(0, I64)), (Predicate.SGT, whole)):
        outside, kept = low.reg(BOOL), low.reg(I64)
        low.add(ExactCompare(outside, predicate, position, bound, span=low.span(node)))
        low.add(Select(kept, outside, bound, position, span=low.span(node)))
        position = kept
    return position


METHODS: dict[tuple[type, str], MethodHandler] = {
    (kind, name): _method(handler)
    for kind in (StrValue, PlaceValue, PtrValue)
    for name, handler in (("startswith", _startswith), ("endswith", _endswith))
}
"""As `calls.METHODS` has them."""

TRUTHS: dict[type, TruthHandler] = {StrValue: _truth, PlaceValue: _truth}
"""As `lower` hands them to `Lowering`."""
