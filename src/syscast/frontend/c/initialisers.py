"""Initialisers of aggregates: braces, designators, left-out braces, strings; what is not named is zero.

First it is planned what goes where, so that the length of ``int a[] = {...}`` is known before there is room
for it; then the room is cleared, where the plan leaves something out, and filled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pycparser import c_ast

from syscast.frontend.c.conversions import number
from syscast.frontend.c.literals import string_bytes
from syscast.frontend.c.nodes import Range
from syscast.frontend.c.types import Array, Bool, Enum, Int, Pointer, Record, find_member
from syscast.frontend.c.values import Place

if TYPE_CHECKING:
    from syscast.frontend.c.lowering import Lowering
    from syscast.frontend.c.types import BitField, CType

_MOST = 1 << 16


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value of an initialiser: what goes where.

    Attributes:
        offset: In bytes from the start of the whole.
        value: An expression, or the bytes of a string.
    """

    offset: int
    ctype: CType
    value: c_ast.Node | bytes
    bits: BitField | None = None


class _Cursor:
    """The items between braces, of which aggregates without braces of their own take what they need."""

    def __init__(self, items: list[c_ast.Node]) -> None:
        self._items = items
        self._at = 0

    def peek(self) -> c_ast.Node | None:
        return self._items[self._at] if self._at < len(self._items) else None

    def take(self) -> c_ast.Node:
        self._at += 1
        return self._items[self._at - 1]


class Plan:
    """What goes where in one aggregate."""

    def __init__(self, low: Lowering) -> None:
        self.leaves: list[Leaf] = []
        self._low = low

    def whole(self, ctype: CType, node: c_ast.Node) -> CType:
        """Plan an initialiser; gives the type, with the length of an array that has none."""
        text = _text(ctype, node)
        if text is not None:
            return self._string(ctype, 0, text)
        if not isinstance(node, c_ast.InitList):
            if isinstance(ctype, Array):
                self._low.error(node, "an array is initialised by values in braces")
            self.leaves.append(Leaf(0, ctype, node))
            return ctype
        end = self._braced(ctype, 0, node)
        if isinstance(ctype, Array) and ctype.count is None:
            return Array(ctype.of, end)
        return ctype

    def _string(self, ctype: CType, offset: int, text: bytes) -> CType:
        assert isinstance(ctype, Array)
        count = len(text) + 1 if ctype.count is None else ctype.count
        self.leaves.append(Leaf(offset, Array(ctype.of, count), (text + bytes(count))[:count]))
        return Array(ctype.of, count)

    def _braced(self, ctype: CType, offset: int, node: c_ast.InitList) -> int:
        """Plan what stands between braces; gives the number of elements of an array."""
        cursor = _Cursor(list(node.exprs or ()))
        if isinstance(ctype, Array):
            end = self._elements(ctype, offset, cursor, braces=True)
        elif isinstance(ctype, Record):
            self._members(ctype, offset, cursor, braces=True)
            end = 0
        else:
            end = 0
            if cursor.peek() is not None:
                self._item(ctype, offset, cursor, None)
        extra = cursor.peek()
        if extra is not None:
            self._low.error(extra, f"too many values for a '{ctype.spelling}'")
        return end

    def _elements(self, ctype: Array, offset: int, cursor: _Cursor, *, braces: bool) -> int:
        index = end = 0
        while (item := cursor.peek()) is not None:
            if isinstance(item, c_ast.NamedInitializer):
                if not braces:
                    break
                cursor.take()
                index = self._designated(ctype, offset, item) + 1
            else:
                if ctype.count is not None and index >= ctype.count:
                    break
                self._item(ctype.of, offset + index * ctype.of.size, cursor, None)
                index += 1
            end = max(end, index)
            if end > _MOST:
                self._low.error(item, f"an initialiser of more than {_MOST} elements")
        return end

    def _members(self, record: Record, offset: int, cursor: _Cursor, *, braces: bool) -> None:
        members = [each for each in record.members if each.name or not each.bit_size]
        index = 0
        while (item := cursor.peek()) is not None:
            if isinstance(item, c_ast.NamedInitializer):
                if not braces:
                    return
                cursor.take()
                index = self._designated(record, offset, item) + 1
                continue
            if index >= (1 if record.kind == "union" else len(members)):
                return
            member = members[index]
            bits = None
            if member.name:
                found = find_member(record, member.name)
                bits = found.bit_field if found else None
            start = offset if bits else offset + member.offset
            self._item(member.type, start, cursor, bits)
            index += 1

    def _item(self, ctype: CType, offset: int, cursor: _Cursor, bits: BitField | None) -> None:
        """One member or element: an item of its own, or several items where braces were left out."""
        item = cursor.peek()
        assert item is not None
        text = _text(ctype, item)
        if text is not None:
            cursor.take()
            self._string(ctype, offset, text)
        elif isinstance(item, c_ast.InitList):
            cursor.take()
            self._braced(ctype, offset, item)
        elif isinstance(ctype, Array):
            self._elements(ctype, offset, cursor, braces=False)
        elif isinstance(ctype, Record) and self._low.type_of(item) != ctype:
            self._members(ctype, offset, cursor, braces=False)
        else:
            self.leaves.append(Leaf(offset, ctype, cursor.take(), bits))

    def _designated(self, ctype: CType, offset: int, node: c_ast.NamedInitializer) -> int:
        """``.a.b[2] = x``; gives the position of the first designator in the aggregate."""
        first, steps = self._step(ctype, node.name[0])
        for position in range(first, first + steps):
            at, part, bits = self._part(ctype, offset, node.name[0], position)
            for each in node.name[1:]:
                inner, more = self._step(part, each)
                if more != 1:
                    self._low.error(each, "a range inside of a longer designator")
                at, part, bits = self._part(part, at, each, inner)
            self._item(part, at, _Cursor([node.expr]), bits)
        return first + steps - 1

    def _step(self, ctype: CType, node: c_ast.Node) -> tuple[int, int]:
        """Position of a designator, and how many positions it covers."""
        if isinstance(node, c_ast.ArrayDesignator):
            if not isinstance(ctype, Array):
                self._low.error(node, f"an index into a '{ctype.spelling}', which is no array")
            index = node.expr
            if isinstance(index, Range):
                first = self._low.needed_constant(index.first, "an index")
                last = self._low.needed_constant(index.last, "an index")
            else:
                first = last = self._low.needed_constant(index, "an index")
            if not 0 <= first <= last < (_MOST if ctype.count is None else ctype.count):
                self._low.error(node, f"the index {last} is outside of '{ctype.spelling}'")
            return first, last - first + 1
        if not isinstance(ctype, Record):
            self._low.error(node, f"'.{node.name}' of a '{ctype.spelling}', which is no struct")
        members = [each for each in ctype.members if each.name or not each.bit_size]
        for position, member in enumerate(members):
            if member.name == node.name or (
                not member.name
                and isinstance(member.type, Record)
                and find_member(member.type, node.name) is not None
            ):
                return position, 1
        self._low.error(node, f"'{ctype.spelling}' has no member '{node.name}'")

    def _part(
        self, ctype: CType, offset: int, node: c_ast.Node, position: int
    ) -> tuple[int, CType, BitField | None]:
        if isinstance(ctype, Array):
            return offset + position * ctype.of.size, ctype.of, None
        assert isinstance(ctype, Record)
        found = find_member(ctype, node.name)
        assert found is not None
        bits = found.bit_field
        return offset + (0 if bits else found.offset), found.type, bits


def _text(ctype: CType, node: c_ast.Node) -> bytes | None:
    """The bytes of a string that initialises an array of characters."""
    if not isinstance(ctype, Array) or not isinstance(ctype.of, Int) or ctype.of.size != 1:
        return None
    if isinstance(node, c_ast.InitList) and len(node.exprs or ()) == 1:
        node = node.exprs[0]
    if isinstance(node, c_ast.Constant) and node.type == "string":
        return string_bytes(node.value)
    return None


def fill(low: Lowering, place: Place, leaves: list[Leaf]) -> None:
    """Carry out a plan in fresh memory."""
    whole = place.ctype.size
    covered = sum(leaf.ctype.size for leaf in leaves if leaf.bits is None)
    if covered != whole or any(leaf.bits is not None for leaf in leaves):
        low.clear(place)
    for leaf in leaves:
        part = Place(
            leaf.ctype,
            ptr=place.ptr,
            offset=place.offset + leaf.offset,
            own=place.own,
            bits=leaf.bits,
        )
        if isinstance(leaf.value, bytes):
            write(low, part, leaf.value)
        else:
            low.store(part, low.expr(leaf.value))


def write(low: Lowering, place: Place, data: bytes) -> None:
    """Write bytes that are known now to own memory."""
    at = 0
    while at < len(data):
        size = next(each for each in (8, 4, 2, 1) if each <= len(data) - at)
        value = int.from_bytes(data[at : at + size], "little")
        ctype = Int("", size, signed=False)
        unit = Place(ctype, ptr=place.ptr, offset=place.offset + at, own=place.own)
        low.store(unit, number(value, ctype))
        at += size


def is_aggregate(ctype: CType) -> bool:
    """Whether an initialiser of the type needs a plan."""
    return not isinstance(ctype, Int | Bool | Enum | Pointer)
