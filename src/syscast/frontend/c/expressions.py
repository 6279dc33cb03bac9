"""Expressions of C: names, members, elements, operators, casts; calls are in ``calls``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pycparser import c_ast

from syscast.frontend.c.arithmetic import COMPARISONS, binary, compare, from_bool, moved, unary
from syscast.frontend.c.basictypes import char
from syscast.frontend.c.compatibility import compatible
from syscast.frontend.c.conversions import (
    constant_of,
    convert,
    in_memory,
    is_null,
    is_scalar,
    number,
)
from syscast.frontend.c.doubtful import warn_of_conversion
from syscast.frontend.c.emitter import ANY
from syscast.frontend.c.literals import character, integer_literal, string_bytes
from syscast.frontend.c.membernames import member_names
from syscast.frontend.c.naming import is_known, name_of, near
from syscast.frontend.c.types import (
    INT,
    SIZE_T,
    VOID,
    VOID_POINTER,
    Array,
    Bool,
    Enum,
    FunctionType,
    Int,
    Pointer,
    Record,
    Void,
    common,
    find_member,
    is_integer,
)
from syscast.frontend.c.values import CValue, Operand, Place
from syscast.ir import ops
from syscast.ir.ops import Predicate
from syscast.ir.types import BOOL, Const

if TYPE_CHECKING:
    from syscast.frontend.c.lowering import Lowering, OperandHandler
    from syscast.frontend.c.types import CType, Found
    from syscast.ir.types import Value

_LOGICAL = frozenset({"&&", "||"})


# ---------------------------------------------------------------- constants and names


def constant(low: Lowering, node: c_ast.Node) -> Operand:
    """A number, a character or a string."""
    text: str = node.value
    if node.type == "string":
        return text_place(low, string_bytes(text))
    if node.type == "char":
        signed = char(low.unit.surroundings.arch).signed
        return number(character(text, signed=signed))
    if "float" in node.type or "double" in node.type:
        low.error(node, f"'{text}': BPF has no floating point numbers", "compute with integers")
    value, ctype = integer_literal(text)
    return number(value, ctype)


def text_place(low: Lowering, text: bytes) -> Place:
    """A string constant in read-only memory, its NUL included."""
    address = low.reg(ANY)
    low.emit(ops.TextAddr(address, text))
    low.texts[address.id] = text
    return Place(Array(char(low.unit.surroundings.arch), len(text) + 1), ptr=address)


def name(low: Lowering, node: c_ast.Node) -> Operand:
    """A local, or what the text or the kernel declares."""
    return name_of(low, node)


# ---------------------------------------------------------------- members and elements


def member(low: Lowering, node: c_ast.Node) -> Operand:
    """``a.b`` and ``a->b``."""
    base = _record_place(low, node)
    record = base.ctype
    field: str = node.field.name
    if not isinstance(record, Record):
        arrow = "->" if node.type == "." and isinstance(record, Pointer) else ""
        hint = f"it is a pointer: write '->{field}'" if arrow else ""
        low.error(
            node, f"'{field}' is asked of a '{record.spelling}', which is no struct or union", hint
        )
    found = find_member(record, field)
    if found is None:
        low.error(
            node.field,
            f"'{record.spelling}' has no member '{field}'",
            near(field, set(member_names(record))),
        )
    return part(base, found)


def part(base: Place, found: Found) -> Place:
    """A member of a struct in a place."""
    record = base.ctype
    packet = base.packet or (isinstance(record, Record) and "packet" in record.body.attributes)
    bits = found.bit_field
    return Place(
        found.type,
        ptr=base.ptr,
        offset=base.offset + (0 if bits else found.offset),
        own=base.own,
        bits=bits,
        packet=packet,
    )


def _record_place(low: Lowering, node: c_ast.Node) -> Place:
    if node.type == ".":
        found = low.operand(node.name)
        if isinstance(found, Place):
            return low.addressable(found)
        if in_memory(found.ctype):
            return Place(found.ctype, ptr=found.made)
        return Place(found.ctype)
    pointer = low.expr(node.name)
    if not isinstance(pointer.ctype, Pointer):
        hint = f"write '.{node.field.name}'" if isinstance(pointer.ctype, Record) else ""
        low.error(node, f"'->' of a '{pointer.ctype.spelling}', which is no pointer", hint)
    return Place(pointer.ctype.to, ptr=pointer.made)


def element(low: Lowering, node: c_ast.Node) -> Operand:
    """``a[i]``, also of an array that is no rvalue, and ``i[a]``."""
    base = low.operand(node.name)
    index = low.expr(node.subscript)
    if isinstance(base, Place) and isinstance(base.ctype, Array):
        return array_element(low, low.addressable(base), index)
    value = low.rvalue(base) if isinstance(base, Place) else base
    if isinstance(index.ctype, Pointer) and is_integer(value.ctype):
        value, index = index, value
    if not isinstance(value.ctype, Pointer) or not is_integer(index.ctype):
        low.error(
            node, f"'[]' of a '{value.ctype.spelling}' with a '{index.ctype.spelling}' as index"
        )
    to = value.ctype.to
    known = constant_of(index)
    if known is not None and not is_null(value):
        return Place(to, ptr=value.made, offset=known * to.size)
    return Place(to, ptr=moved(low, value, index))


def array_element(low: Lowering, base: Place, index: CValue) -> Place:
    """An element of an array in memory."""
    assert isinstance(base.ctype, Array)
    of = base.ctype.of
    known = constant_of(index)
    if known is not None:
        return Place(
            of,
            ptr=base.ptr,
            offset=base.offset + known * of.size,
            own=base.own,
            packet=base.packet,
        )
    if not is_integer(index.ctype):
        low.error(None, f"an index of type '{index.ctype.spelling}'", "it must be an integer")
    assert base.ptr is not None
    pointer = moved(low, CValue(Pointer(of), base.ptr), index)
    return Place(of, ptr=pointer, offset=base.offset, own=base.own, packet=base.packet)


# ---------------------------------------------------------------- one operand


def unary_operator(low: Lowering, node: c_ast.Node) -> Operand:
    """Every operator with one operand, casts apart."""
    op: str = node.op
    match op:
        case "&":
            return low.address(node.expr)
        case "*":
            return pointed(low, node)
        case "!":
            return _negated(low, node)
        case "++" | "--" | "p++" | "p--":
            return _step(low, node)
        case "sizeof" | "_Alignof" | "alignof" | "__alignof__":
            return _size(low, node)
        case "+" | "-" | "~":
            return unary(low, op, low.expr(node.expr))
        case _:
            low.error(node, f"the operator '{op}' is not supported")


def pointed(low: Lowering, node: c_ast.Node) -> Operand:
    """``*p``."""
    value = low.expr(node.expr)
    if not isinstance(value.ctype, Pointer):
        low.error(node, f"'*' of a '{value.ctype.spelling}', which is no pointer")
    if isinstance(value.ctype.to, FunctionType):
        return value
    return Place(value.ctype.to, ptr=value.made)


def _negated(low: Lowering, node: c_ast.Node) -> Operand:
    return from_bool(low, inverted(low, low.condition(node.expr)))


def inverted(low: Lowering, truth: Value) -> Value:
    """``!truth`` of a bool."""
    if isinstance(truth, Const):
        return Const(1 - truth.value, BOOL)
    return low.compare(Predicate.EQ, truth, Const(0, BOOL))


def _step(low: Lowering, node: c_ast.Node) -> Operand:
    """``++x``, ``x++`` and their opposites."""
    place = low.lvalue(node.expr)
    _refuse_constant(low, node.expr, place)
    before = low.rvalue(place)
    if not is_scalar(before.ctype):
        low.error(node, f"'{node.op.strip('p')}' of a '{before.ctype.spelling}'")
    after = binary(low, node.op[-1], before, number(1))
    held = low.store(place, after)
    return before if node.op.startswith("p") else held


def _size(low: Lowering, node: c_ast.Node) -> Operand:
    what = node.expr
    ctype = low.ctype(what) if isinstance(what, c_ast.Typename) else low.type_of(what)
    if isinstance(ctype, Void | FunctionType):
        return number(1, SIZE_T)  # as GNU C has it
    return number(ctype.size if node.op == "sizeof" else ctype.align, SIZE_T)


def cast(low: Lowering, node: c_ast.Node) -> Operand:
    """``(type)x``."""
    ctype = low.ctype(node.to_type)
    value = low.expr(node.expr)
    if isinstance(ctype, Void):
        return CValue(VOID, None)
    return convert(low, value, ctype)


# ---------------------------------------------------------------- two and three operands


def binary_operator(low: Lowering, node: c_ast.Node) -> Operand:
    """``a op b``; long chains of them are walked without recursion."""
    if node.op in _LOGICAL:
        return _logical(low, node)
    chain = [node]
    while isinstance(chain[-1].left, c_ast.BinaryOp) and chain[-1].left.op not in _LOGICAL:
        chain.append(chain[-1].left)
    value = low.expr(chain[-1].left)
    for each in reversed(chain):
        right = low.expr(each.right)
        low.node = each
        value = binary(low, each.op, value, right)
    return value


def _logical(low: Lowering, node: c_ast.Node) -> Operand:
    """``&&`` and ``||`` as 0 or 1."""
    known = _known_logical(low, node)
    if known is not None:
        return known
    slot = low.local(INT, "logical")
    then, other, end = low.label("true"), low.label("false"), low.label("logical_end")
    low.branch_on(node, then, other)
    for label, value in ((then, 1), (other, 0)):
        low.start(label)
        low.store(slot, number(value))
        low.jump(end)
    low.start(end)
    return low.rvalue(slot)


def _known_logical(low: Lowering, node: c_ast.Node) -> CValue | None:
    """The answer where it is known now; nothing is evaluated then, as nothing can have an effect."""
    settles = int(node.op == "||")
    for each in _flat(node):
        known = known_condition(low, each)
        if known is None:
            return None
        if known == settles:
            return number(settles)
    return number(1 - settles)


def known_condition(low: Lowering, node: c_ast.Node) -> int | None:
    """0 or 1 where an expression of constants is a condition that is known now."""
    if not only_constants(low, node):
        return None
    found = low.constant(node)
    return None if found is None else int(found != 0)


def only_constants(low: Lowering, node: c_ast.Node) -> bool:
    """Whether all that an expression uses is known now; cheap to ask."""
    work = [node]
    while work:
        each = work.pop()
        if isinstance(each, c_ast.UnaryOp) and each.op == "sizeof":
            continue
        if isinstance(each, c_ast.ID):
            if not is_known(low, each.name):
                return False
            continue
        if isinstance(each, c_ast.Constant | c_ast.Typename):
            continue
        if not isinstance(
            each, c_ast.BinaryOp | c_ast.UnaryOp | c_ast.TernaryOp | c_ast.Cast
        ) or getattr(each, "op", "") in {"&", "*", "++", "--", "p++", "p--"}:
            return False
        work += [child for _, child in each.children()]
    return True


def branch(low: Lowering, node: c_ast.Node, then: str, other: str) -> None:
    """End the block by a condition, without making a number of it."""
    while True:
        if isinstance(node, c_ast.UnaryOp) and node.op == "!":
            node, then, other = node.expr, other, then
            continue
        if isinstance(node, c_ast.BinaryOp) and node.op in _LOGICAL:
            _branch_logical(low, node, then, other)
            return
        break
    low.branch(truth_of(low, node), then, other)


def _branch_logical(low: Lowering, node: c_ast.Node, then: str, other: str) -> None:
    parts = _flat(node)
    for each in parts[:-1]:
        more = low.label("and" if node.op == "&&" else "or")
        if node.op == "&&":
            branch(low, each, more, other)
        else:
            branch(low, each, then, more)
        low.start(more)
    branch(low, parts[-1], then, other)


def _flat(node: c_ast.BinaryOp) -> list[c_ast.Node]:
    """``a && b && c`` as a list."""
    parts = [node.right]
    left = node.left
    while isinstance(left, c_ast.BinaryOp) and left.op == node.op:
        parts.append(left.right)
        left = left.left
    return [left, *reversed(parts)]


def truth_of(low: Lowering, node: c_ast.Node) -> Value:
    """An expression as a bool; comparisons are not made numbers first."""
    if isinstance(node, c_ast.BinaryOp) and node.op in COMPARISONS:
        a, b = low.expr(node.left), low.expr(node.right)
        before, low.node = low.node, node
        try:
            return compare(low, node.op, a, b)
        finally:
            low.node = before
    before, low.node = low.node, node
    try:
        return low.condition(node)
    finally:
        low.node = before


def ternary(low: Lowering, node: c_ast.Node) -> Operand:
    """``a ? b : c``; only one of b and c is evaluated."""
    known = known_condition(low, node.cond)
    if known is not None:
        chosen, dropped = (node.iftrue, node.iffalse) if known else (node.iffalse, node.iftrue)
        value = low.expr(chosen)
        with low.nothing():
            other = low.expr(dropped)
        return convert(low, value, _common_type(low, value, other))
    then, otherwise = low.label("then"), low.label("else")
    low.branch_on(node.cond, then, otherwise)
    low.start(then)
    a = low.expr(node.iftrue)
    behind_a = low.label("then_end")
    low.jump(behind_a)
    low.start(otherwise)
    b = low.expr(node.iffalse)
    return _joined(low, a, behind_a, b)


def elvis(low: Lowering, node: c_ast.Node) -> Operand:
    """GNU's ``a ?: b``: a, evaluated once, where it is not zero."""
    a = low.expr(node.cond)
    then, otherwise = low.label("then"), low.label("else")
    low.branch(low.truth(a), then, otherwise)
    low.start(otherwise)
    b = low.expr(node.iffalse)
    return _joined(low, a, then, b)


def _joined(low: Lowering, a: CValue, behind_a: str, b: CValue) -> CValue:
    """One value of two that were made on two paths; the block of b is open, that of a has ended."""
    ctype = _common_type(low, a, b)
    end = low.label("ternary_end")
    held = None
    if not isinstance(ctype, Void):
        held = low.local(VOID_POINTER if in_memory(ctype) else ctype, "ternary")
    _keep(low, held, b, ctype)
    low.jump(end)
    low.start(behind_a)
    _keep(low, held, a, ctype)
    low.jump(end)
    low.start(end)
    if held is None:
        return CValue(ctype, None)
    value = low.rvalue(held)
    return CValue(ctype, value.value)


def _keep(low: Lowering, held: Place | None, value: CValue, ctype: CType) -> None:
    if held is not None:
        value = convert(low, value, ctype)
        low.store(held, CValue(held.ctype, value.value))


def _common_type(low: Lowering, a: CValue, b: CValue) -> CType:
    left, right = a.ctype, b.ctype
    if isinstance(left, Void) or isinstance(right, Void):
        return VOID
    if isinstance(left, Int | Bool | Enum) and isinstance(right, Int | Bool | Enum):
        return common(left, right)
    if isinstance(left, Pointer) and isinstance(right, Pointer):
        if is_null(a) or is_null(b) or compatible(left, right):
            return right if is_null(a) else left
        return VOID_POINTER
    if is_scalar(left) and is_scalar(right):  # a pointer and a number
        return left if isinstance(left, Pointer) else right
    if left != right:
        low.error(None, f"'?:' chooses between '{left.spelling}' and '{right.spelling}'")
    return left


def assignment(low: Lowering, node: c_ast.Node) -> Operand:
    """``a = b`` and ``a op= b``; the place is evaluated once."""
    place = low.lvalue(node.lvalue)
    _refuse_constant(low, node.lvalue, place)
    value = low.expr(node.rvalue)
    if node.op == "=":
        warn_of_conversion(low, node.rvalue, value, place.ctype)
    else:
        value = binary(low, node.op[:-1], low.rvalue(place), value)
    return low.store(place, value)


def _refuse_constant(low: Lowering, node: c_ast.Node, place: Place) -> None:
    """Refuse to change what is declared const: a variable itself, by its name."""
    if place.constant and isinstance(node, c_ast.ID):
        low.error(node, f"'{node.name}' is const")


def comma(low: Lowering, node: c_ast.Node) -> Operand:
    """``a, b``: the value of the last."""
    for each in node.exprs[:-1]:
        low.operand(each)
    return low.expr(node.exprs[-1])


OPERANDS: dict[type, OperandHandler] = {
    c_ast.Constant: constant,
    c_ast.ID: name,
    c_ast.StructRef: member,
    c_ast.ArrayRef: element,
    c_ast.UnaryOp: unary_operator,
    c_ast.BinaryOp: binary_operator,
    c_ast.TernaryOp: ternary,
    c_ast.Assignment: assignment,
    c_ast.Cast: cast,
    c_ast.ExprList: comma,
}
"""What lowers each class of expression; calls, literals of structs and the like are in other tables."""
