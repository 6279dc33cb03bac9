"""Linked lists of the kernel: ``list_entries`` and ``hlist_entries``.

A ``list_head`` is a ring through the entries and its head, which is none; an ``hlist_head`` points to the first
of a chain that ends with NULL. Nothing keeps other CPUs from changing a list meanwhile: entries
are read as other kernel memory is, and the stated limit ends a walk that has lost its way.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from syscast.btf.layout import find_member, near_members
from syscast.btf.types import Struct
from syscast.frontend.python.arguments import python_text
from syscast.frontend.python.iterating import Counted, stated_limit
from syscast.frontend.python.members import address_of
from syscast.frontend.python.values import Lowered, PlaceValue, PtrValue
from syscast.ir.ops import (
    Binary,
    BinaryOp,
    Compare,
    FieldLoad,
    FieldRef,
    Offset,
    Predicate,
    Reloc,
    RelocKind,
    SlotLoad,
    SlotStore,
)
from syscast.ir.types import BOOL, U64, Const, PtrType, Reg, Space

if TYPE_CHECKING:
    from syscast.frontend.python.context import Lowering
    from syscast.ir.types import Slot, Value

_NAMES = ("head", "type_name", "member", "limit")


class _Entries(Counted):
    """The entries of one list.

    Attributes:
        ring: The list ends where it began, at ``head``; else with NULL.
    """

    def __init__(self, low: Lowering, node: ast.Call, *, ring: bool) -> None:
        super().__init__(node)
        given = _arguments(low, node)
        self._ring = ring
        self._head_type = _struct(low, node, "list_head" if ring else "hlist_head")
        self._link_type = _struct(low, node, "list_head" if ring else "hlist_node")
        self._entry, self._field = self._entry_type(low, given["type_name"], given["member"])
        self._head = self._address(low, given["head"])
        self.limit = stated_limit(low, given["limit"])
        self._slot: Slot | None = None
        self._at: Reg | None = None

    def _entry_type(
        self, low: Lowering, type_node: ast.expr, member_node: ast.expr
    ) -> tuple[int, FieldRef]:
        texts = [python_text(low.expr(each)) for each in (type_node, member_node)]
        for text, each in zip(texts, (type_node, member_node), strict=True):
            if text is None:
                raise low.rejection(
                    each, "a constant string is needed", 'such as "struct task_struct", "tasks"'
                )
        name, label = ((text or b"").decode() for text in texts)
        name = name.removeprefix("struct ").strip()
        found = low.btf.find(name, Struct)
        if found is None:
            near = low.btf.near(name, Struct)
            hint = f"did you mean {', '.join(near)}?" if near else ""
            raise low.rejection(type_node, f"no such struct: '{name}'", hint)
        path = find_member(low.btf, found, label)
        if path is None:
            near = near_members(low.btf, found, label)
            hint = f"did you mean {', '.join(near)}?" if near else ""
            raise low.rejection(member_node, f"struct {name} has no member '{label}'", hint)
        if low.btf.resolve(path.type_id) != self._link_type:
            wanted = "list_head" if self._ring else "hlist_node"
            raise low.rejection(
                member_node, f"member '{label}' of struct {name} is no struct {wanted}"
            )
        field = FieldRef(found, path.access, path.type_id, path.bit_offset, 0, label)
        return found, field

    def _address(self, low: Lowering, node: ast.expr) -> Value:
        value = low.expr(node)
        if isinstance(value, PlaceValue) and low.btf.resolve(value.type_id) == self._head_type:
            return address_of(low, node, value)
        if (
            isinstance(value, PtrValue)
            and value.pointee
            and low.btf.resolve(value.pointee) == self._head_type
        ):
            return value.value
        wanted = "list_head" if self._ring else "hlist_head"
        raise low.rejection(node, f"a struct {wanted} is needed, this is {low.describe(value)}")

    def _follow(self, low: Lowering, base: Value, root: int, member: str) -> None:
        """Go to what a link of the list points to."""
        assert self._slot is not None
        path = find_member(low.btf, root, member)
        assert path is not None
        field = FieldRef(root, path.access, path.type_id, path.bit_offset, 0, member)
        pointer = low.reg(PtrType(Space.KERNEL, self._link_type))
        site = low.site(self.node, "MemoryError")
        low.add(FieldLoad(pointer, base, field, site, span=low.span(self.node)))
        low.add(SlotStore(self._slot, pointer, span=low.span(self.node)))

    def begin(self, low: Lowering) -> None:
        self._slot = low.builder.slot("(entry)", PtrType(Space.KERNEL, self._link_type), 8)
        self._follow(low, self._head, self._head_type, "next" if self._ring else "first")

    def test(self, low: Lowering, number: Reg, exhausted: str) -> None:
        del number
        assert self._slot is not None
        span = low.span(self.node)
        at, over = low.reg(PtrType(Space.KERNEL, self._link_type)), low.reg(BOOL)
        low.add(SlotLoad(at, self._slot, span=span))
        end = self._head if self._ring else Const(0, at.type)
        low.add(Compare(over, Predicate.EQ, at, end, span=span))
        more = low.builder.label("entry")
        low.branch(self.node, over, exhausted, more)
        low.builder.start(more)
        self._at = at

    def item(self, low: Lowering, number: Reg) -> Lowered:
        del number
        assert self._at is not None
        span = low.span(self.node)
        offset, back = low.reg(U64), low.reg(U64)
        low.add(Reloc(offset, RelocKind.FIELD_BYTE_OFFSET, field=self._field, span=span))
        low.add(Binary(back, BinaryOp.SUB, Const(0, U64), offset, span=span))
        entry = low.reg(PtrType(Space.KERNEL, self._entry))
        low.add(Offset(entry, self._at, back, span=span))
        return PtrValue(entry, self._entry, Space.KERNEL)

    def advance(self, low: Lowering) -> None:
        assert self._at is not None
        self._follow(low, self._at, self._link_type, "next")


def _struct(low: Lowering, node: ast.expr, name: str) -> int:
    found = low.btf.find(name, Struct)
    if found is None:
        raise low.rejection(node, f"this kernel's BTF has no struct {name}")
    return found


def _arguments(low: Lowering, node: ast.Call) -> dict[str, ast.expr]:
    given: dict[str, ast.expr] = dict(zip(_NAMES, node.args, strict=False))
    given |= {each.arg: each.value for each in node.keywords if each.arg}
    if set(given) != set(_NAMES) or len(node.args) + len(node.keywords) != len(_NAMES):
        name = ast.unparse(node.func)
        raise low.rejection(
            node,
            f"{name}() takes the list's head, the entries' type, their member and a limit",
            f'{name}(head, "struct task_struct", "tasks", limit=64)',
        )
    return given


def list_entries(low: Lowering, node: ast.Call) -> Counted:
    """``list_entries(head, "struct T", "member", limit=64)``."""
    return _Entries(low, node, ring=True)


def hlist_entries(low: Lowering, node: ast.Call) -> Counted:
    """``hlist_entries(head, "struct T", "member", limit=64)``."""
    return _Entries(low, node, ring=False)
