"""``memset`` and its family: the compiler's own functions in bcc, where clang has them built in."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from syscast.frontend.c.conversions import constant_of
from syscast.frontend.c.conversions import number as constant
from syscast.frontend.c.dialect import counted, number, pointer
from syscast.frontend.c.initialisers import write
from syscast.frontend.c.types import (
    INT,
    UNSIGNED_CHAR,
    UNSIGNED_LONG,
    VOID,
    VOID_POINTER,
)
from syscast.frontend.c.values import CValue, Place
from syscast.ir import ops
from syscast.ir.ops import Predicate

if TYPE_CHECKING:
    from pycparser import c_ast

    from syscast.frontend.c.lowering import Handler, Lowering
    from syscast.ir.types import Value

_MOST = 1 << 20
_STORED_INLINE = 256


def handlers() -> dict[str, Handler]:
    """What lowers the calls, by name."""
    made: dict[str, Handler] = {}
    for prefix in ("", "__builtin_"):
        made[f"{prefix}memset"] = partial(_memset, f"{prefix}memset")
        made[f"{prefix}memcpy"] = partial(_memcpy, f"{prefix}memcpy")
        made[f"{prefix}memmove"] = partial(_memcpy, f"{prefix}memmove")
        made[f"{prefix}memcmp"] = partial(_memcmp, f"{prefix}memcmp")
    return made


def _memset(name: str, low: Lowering, call: c_ast.FuncCall) -> CValue:
    target, byte, length = counted(low, call, name, "target, byte, size", (3,))
    address = pointer(low, target, "the target")
    size = _size(low, length)
    value = low.convert(low.integer(byte), UNSIGNED_CHAR)
    place = Place(VOID, ptr=address)
    known = constant_of(value)
    if known == 0:
        fill(low, place, size)
    elif size > _STORED_INLINE:
        low.error(call, f"memset of {size} bytes with something else than 0", "fill it in a loop")
    else:
        for at in range(size):
            low.emit(ops.Store(address, value.made, at, align=1))
    return CValue(VOID_POINTER, address)


def fill(low: Lowering, place: Place, size: int) -> None:
    """Zeros; in pieces, since one op makes no more than LLVM writes inline."""
    assert place.ptr is not None
    done = 0
    while done < size:
        now = min(size - done, 1024)
        low.emit(ops.Fill(place.ptr, now, place.offset + done))
        done += now


def _memcpy(name: str, low: Lowering, call: c_ast.FuncCall) -> CValue:
    target, source, length = counted(low, call, name, "target, source, size", (3,))
    to, from_ = pointer(low, target, "the target"), pointer(low, source, "the source")
    size = low.constant(length)
    if size is None:
        # Its length is known when the program runs: the kernel copies, from anywhere.
        low.helper("probe_read_kernel", (to, number(low, length), from_), INT)
    else:
        size = _size(low, length)
        text = low.text_at(from_)
        if text is not None and size <= _STORED_INLINE:
            # Programs read past the end of their strings; compilers give them zeros.
            write(low, Place(VOID, ptr=to), (text + bytes(size))[:size])
        elif size:
            low.emit(ops.AnyCopy(to, from_, size))
    return CValue(VOID_POINTER, to)


def _size(low: Lowering, node: c_ast.Node) -> int:
    size = low.needed_constant(node, "the size")
    if not 0 <= size < _MOST:
        low.error(node, f"{size} bytes")
    return size


def _memcmp(name: str, low: Lowering, call: c_ast.FuncCall) -> CValue:
    """Byte by byte up to the first that differ; the result is their difference."""
    first, second, length = counted(low, call, name, "one, other, size", (3,))
    a, b = pointer(low, first, "this"), pointer(low, second, "this")
    size = low.constant(length)
    if size is not None and size < 0:
        low.error(length, f"{size} bytes")
    limit = number(low, length)
    result = low.local(INT, "difference")
    index = low.local(UNSIGNED_LONG, "index")
    low.store(result, constant(0))
    low.store(index, constant(0, UNSIGNED_LONG))
    head, body, again, done = (low.label(f"memcmp_{n}") for n in ("head", "byte", "next", "end"))
    low.start(head)
    at = low.rvalue(index)
    low.branch(low.compare(Predicate.ULT, at.made, limit), body, done)
    low.start(body)
    difference = low.binary("-", _byte(low, a, at.made), _byte(low, b, at.made))
    low.store(result, difference)
    low.branch(low.truth(difference), done, again)
    low.start(again)
    low.store(index, low.binary("+", at, constant(1, UNSIGNED_LONG)))
    low.jump(head)
    low.start(done)
    return low.rvalue(result)


def _byte(low: Lowering, base: Value, at: Value) -> CValue:
    return low.rvalue(Place(UNSIGNED_CHAR, ptr=low.at(base, at)))


def numbers(cpus: int) -> dict[str, Handler]:
    """Calls that are constants."""

    def num_cpus(low: Lowering, call: c_ast.FuncCall) -> CValue:
        counted(low, call, "bpf_num_cpus", "", (0,))
        return constant(cpus, INT)

    return {"bpf_num_cpus": num_cpus}
