"""``bpf_trace_printk("...", ...)``: the text goes into the read-only data, and is checked as bcc checks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pycparser import c_ast

from syscast.frontend.c import literals
from syscast.frontend.c.dialect import arguments, number, pointer
from syscast.frontend.c.emitter import ANY
from syscast.frontend.c.types import LONG, UNSIGNED_LONG, Array
from syscast.frontend.c.values import Place
from syscast.ir import ops
from syscast.ir.types import U64, Const

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.frontend.c.dialect import Dialect
    from syscast.frontend.c.lowering import Handler, Lowering
    from syscast.frontend.c.values import CValue
    from syscast.ir.types import Value

_MOST = 3
"""Values that the helper trace_printk passes on: a call has five arguments, two are the text."""
_MOST_VALUES = 12
"""That trace_vprintk takes (MAX_BPRINTF_VARARGS, kernel/bpf/helpers.c)."""

ONLY_THESE = "only %d %u %x %ld %lu %lx %lld %llu %llx %p %s conversion specifiers allowed"
_LENGTHS = ("ll", "l")


def handlers(dialect: Dialect) -> dict[str, Handler]:
    """What lowers ``bpf_trace_printk``."""

    def lower(low: Lowering, call: c_ast.FuncCall) -> CValue:
        return _printk(dialect, low, call)

    return {"bpf_trace_printk": lower}


def _printk(dialect: Dialect, low: Lowering, call: c_ast.FuncCall) -> CValue:
    given = arguments(call)
    if not given:
        low.error(call, "'bpf_trace_printk' takes a text and up to 3 values")
    text, size, values = _text(low, given)
    if len(values) <= _MOST:
        passed = [number(low, each) for each in values]
        passed += [Const(0, U64)] * (_MOST - len(passed))
        return low.helper("trace_printk", (text, size, *passed), LONG)
    if not dialect.surroundings.has_helper("trace_vprintk"):
        low.error(
            values[_MOST],
            f"bpf_trace_printk passes on at most {_MOST} values on this kernel, not {len(values)}",
            "declare BPF_PERF_OUTPUT(events) and send a struct with events.perf_submit(ctx, &data, sizeof(data))",
        )
    if len(values) > _MOST_VALUES:
        low.error(
            values[_MOST_VALUES], f"bpf_trace_printk passes on at most {_MOST_VALUES} values"
        )
    place = low.buffer(Array(UNSIGNED_LONG, len(values)), "values")
    for at, each in enumerate(values):
        target = Place(UNSIGNED_LONG, ptr=place.ptr, offset=8 * at, own=True)
        assert target.ptr is not None
        low.emit(ops.Store(target.ptr, number(low, each), target.offset))
    length = Const(8 * len(values), U64)
    return low.helper("trace_vprintk", (text, size, low.pointer(place), length), LONG)


def _text(low: Lowering, given: Sequence[c_ast.Node]) -> tuple[Value, Value, Sequence[c_ast.Node]]:
    """Address and size of the format, and the values behind it.

    With a literal the size is left out; without one the call is that of the helper.
    """
    first = given[0]
    if isinstance(first, c_ast.Constant) and first.type == "string":
        raw = literals.string_bytes(first.value)
        check_format(low, first, raw, len(given) - 1)
        address = low.reg(ANY)
        low.emit(ops.TextAddr(address, raw))
        return address, Const(len(raw) + 1, U64), given[1:]
    if len(given) < 2:
        low.error(first, "the text of bpf_trace_printk is no literal, and its size is missing")
    return pointer(low, first, "the text"), number(low, given[1]), given[2:]


def check_format(low: Lowering, node: c_ast.Node, raw: bytes, values: int) -> None:
    """Warn of what the kernel does not print; the words are those of bcc."""
    specifiers = 0
    texts = 0
    rest = raw.decode("latin-1")
    if any(not (" " <= each <= "~" or (each.isspace() and each.isascii())) for each in rest):
        low.warn(node, "unrecognized character")
        return
    while "%" in rest:
        rest = rest[rest.index("%") + 1 :]
        if rest.startswith("%"):
            rest = rest[1:]
            continue
        specifiers += 1
        if specifiers > _MOST and values <= _MOST:
            low.warn(node, "cannot use more than 3 conversion specifiers")
            return
        if not _known(rest):
            low.warn(node, ONLY_THESE)
            return
        texts += rest.startswith("s")
        if texts > 1 and rest.startswith("s") and values <= _MOST:
            low.warn(node, "cannot use several %s conversion specifiers")
            return


def _known(rest: str) -> bool:
    for length in _LENGTHS:
        if rest.startswith(length):
            return rest[len(length) : len(length) + 1] in {"d", "u", "x"}
    if rest.startswith("p"):
        after = rest[1:2]
        return after in {"", "S", "s", "F", "f", "K", "k"} or not after.isalnum()
    return rest[:1] in {"d", "u", "x", "s", "i", "c"}
