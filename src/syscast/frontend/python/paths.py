"""``path_of(file)``: the full path of a file, as the running task would see it.

bpf_d_path is allowed in a handful of functions only, so this walks as the kernel's prepend_path
does (fs/d_path.c): from the dentry to its parents, at a mount's root on to where it is mounted,
until the task's root. It takes none of the kernel's locks: a rename that happens meanwhile can mix
old and new names, and memory that is being given back reads as zeros, which ends the walk.

The path is written backwards into a buffer, name by name. Where the next name begins is kept in
the buffer too, in map memory, of which the verifier knows nothing: were it in a register, every
way through the loop would be a case of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.btf.types import Struct
from syscast.frontend.python.arguments import arguments, python_int
from syscast.frontend.python.casts import field_of
from syscast.frontend.python.digits import text_at
from syscast.frontend.python.members import address_of
from syscast.frontend.python.strings import DEFAULT_CAPACITY, MAX_CAPACITY
from syscast.frontend.python.textformat import numbered
from syscast.frontend.python.values import IntValue, Lowered, PlaceValue, PtrValue, StrValue
from syscast.ir.ops import (
    Binary,
    BinaryOp,
    Branch,
    Compare,
    Convert,
    CopyBytes,
    Current,
    CurrentItem,
    FieldAddr,
    FieldLoad,
    Fill,
    Helper,
    Load,
    Masked,
    Offset,
    Predicate,
    ReadStr,
    Reloc,
    RelocKind,
    SlotAddr,
    SlotLoad,
    SlotStore,
    Store,
    TextAddr,
)
from syscast.ir.types import BOOL, I64, U8, U32, U64, Const, IntType, PtrType, Space, Value

if TYPE_CHECKING:
    import ast

    from syscast.frontend.python.context import Lowering
    from syscast.ir.types import Reg, Slot

_STEPS = 96
"""Names and mounts on the way; a path of PATH_MAX bytes could have 2048, real ones have a dozen."""

_NAME = 256
"""NAME_MAX and one."""

_ZERO_ON_FAULT = -1
_DELETED = b" (deleted)"

# Magic numbers of include/uapi/linux/magic.h
_PIPEFS, _SOCKFS, _ANON_INODE_FS, _NSFS = 0x50495045, 0x534F434B, 0x09041934, 0x6E736673
_WORD = 8


def path_of(low: Lowering, node: ast.Call) -> Lowered:
    """Lower the call: of a file, a path or a dentry; the capacity is a constant."""
    thing_node, *rest = arguments(low, node, 1, 2)
    size = DEFAULT_CAPACITY
    if rest:
        known = python_int(low.expr(rest[0]))
        if known is None:
            raise low.rejection(rest[0], "the capacity must be a constant")
        size = known
    if not 16 <= size <= MAX_CAPACITY:
        raise low.rejection(rest[0], f"the capacity must be 16 to {MAX_CAPACITY} bytes")
    pointer, kind = _asked_of(low, thing_node)
    walk = _Walk(low, node, size)
    mount, dentry = walk.start(thing_node, pointer, kind)
    return walk.run(mount, dentry)


def _asked_of(low: Lowering, node: ast.expr) -> tuple[Value, str]:
    """A kernel pointer, and which of the structs that have a path it points to."""
    value = low.expr(node)
    if isinstance(value, PlaceValue):
        value = PtrValue(address_of(low, node, value), value.type_id, value.space)
    if isinstance(value, PtrValue) and value.pointee and value.space is Space.KERNEL:
        kind = low.btf.type(low.btf.resolve(value.pointee))
        if isinstance(kind, Struct) and kind.name in {"file", "path", "dentry"}:
            return value.value, kind.name
    raise low.rejection(
        node, f"path_of() takes a struct file, path or dentry, this is {low.describe(value)}"
    )


class _Walk:
    """The code of one call.

    Attributes:
        size: Capacity of the result in bytes, with the NUL.
    """

    def __init__(self, low: Lowering, node: ast.expr, size: int) -> None:
        self.size = size
        self._low = low
        self._node = node
        self._span = low.span(node)
        self._last = (1 << (size - 1).bit_length()) - 1
        """Where the NUL stands while the path is written."""
        self._state = self._last + 1 + _NAME
        room, _ = low.buffer("path", self._state + _WORD)
        self._room = room
        result, _ = low.buffer("path", size)
        self._result = result
        self._dentry = self._pointer_slot("dentry")
        self._mount = self._pointer_slot("vfsmount")

    # ------------------------------------------------------------ pieces

    def _struct(self, name: str) -> int:
        found = self._low.btf.find(name, Struct)
        if found is None:
            raise self._low.rejection(self._node, f"this kernel's BTF has no struct {name}")
        return found

    def _pointer(self, name: str) -> PtrType:
        return PtrType(Space.KERNEL, self._struct(name))

    def _pointer_slot(self, name: str) -> Slot:
        return self._low.builder.slot(name, self._pointer(name), 8)

    def _address(self, slot: Slot) -> Reg:
        made = self._low.reg(PtrType(Space.STACK))
        self._low.add(SlotAddr(made, slot))
        return made

    def _load(
        self,
        base: Value,
        struct: str,
        member: str,
        type_: IntType | PtrType,
        site: int = _ZERO_ON_FAULT,
    ) -> Reg:
        field = field_of(self._low, self._node, self._struct(struct), member)
        made = self._low.reg(type_)
        self._low.add(FieldLoad(made, base, field, site, span=self._span))
        return made

    def _get(self, slot: Slot) -> Reg:
        assert slot.type is not None
        made = self._low.reg(slot.type)
        self._low.add(SlotLoad(made, slot, span=self._span))
        return made

    def _set(self, slot: Slot, value: Value) -> None:
        assert isinstance(slot.type, PtrType)
        if value.type != slot.type:
            viewed = self._low.reg(slot.type)
            self._low.add(Convert(viewed, value, span=self._span))
            value = viewed
        self._low.add(SlotStore(slot, value, span=self._span))

    def _do(self, op: BinaryOp, a: Value, b: Value | int) -> Reg:
        made = self._low.reg(U64)
        other = Const(b, U64) if isinstance(b, int) else b
        self._low.add(Binary(made, op, a, other, span=self._span))
        return made

    def _if(self, pred: Predicate, a: Value, b: Value | int, then: str, hint: str = "on") -> None:
        """Go to ``then`` where it holds, else on in a new block."""
        holds = self._low.reg(BOOL)
        other = Const(b, a.type) if isinstance(b, int) else b
        self._low.add(Compare(holds, pred, a, other, span=self._span))
        following = self._low.builder.label(hint)
        self._low.add(Branch(holds, then, following, span=self._span))
        self._low.builder.start(following)

    def _position(self) -> Reg:
        made = self._low.reg(U64)
        self._low.add(Load(made, self._address(self._room), self._state, span=self._span))
        return made

    def _move(self, position: Value) -> None:
        self._low.add(Store(self._address(self._room), position, self._state, span=self._span))

    def _at(self, position: Value) -> Reg:
        """A place in the room, bounded for the verifier."""
        bounded, made = self._low.reg(U64), self._low.reg(PtrType(Space.STACK))
        self._low.add(Masked(bounded, position, self._last, span=self._span))
        self._low.add(Offset(made, self._address(self._room), bounded, span=self._span))
        return made

    def _constant(self, text: bytes) -> Reg:
        made = self._low.reg(PtrType(Space.MAP))
        self._low.add(TextAddr(made, text, span=self._span))
        return made

    def _same(self, a: Value, b: Value, then: str, hint: str) -> None:
        """Go to ``then`` where two addresses are one."""
        numbers = []
        for each in (a, b):
            number = self._low.reg(U64)
            self._low.add(Convert(number, each, span=self._span))
            numbers.append(number)
        self._if(Predicate.EQ, numbers[0], numbers[1], then, hint)

    # ------------------------------------------------------------ the way

    def start(self, node: ast.expr, pointer: Value, kind: str) -> tuple[Value, Value]:
        """Mount and dentry of what the path is asked of."""
        mount, dentry = self._pointer("vfsmount"), self._pointer("dentry")
        if kind == "dentry":
            return Const(0, mount), pointer
        prefix = "f_path." if kind == "file" else ""
        site = self._low.site(node, "MemoryError")
        return (
            self._load(pointer, kind, f"{prefix}mnt", mount, site),
            self._load(pointer, kind, f"{prefix}dentry", dentry, site),
        )

    def run(self, mount: Value, dentry: Value) -> StrValue:
        """The whole walk."""
        low = self._low
        labels = {
            name: low.builder.label(f"path.{name}")
            for name in ("end", "cut", "floating", "finish")
        }
        self._set(self._mount, mount)
        self._set(self._dentry, dentry)
        low.add(Fill(self._address(self._result), self.size, span=self._span))
        low.add(Store(self._address(self._room), Const(0, U8), self._last, span=self._span))
        self._move(Const(self._last, U64))
        self._mark_deleted()
        self._loop(labels)
        low.builder.start(labels["cut"])
        self._without_slash(labels["finish"])
        low.jump(labels["end"])
        low.builder.start(labels["floating"])
        self._floating(labels)
        low.builder.start(labels["end"])
        self._copy()
        low.jump(labels["finish"])
        low.builder.start(labels["finish"])
        return StrValue(self._address(self._result), self.size)

    def _mark_deleted(self) -> None:
        """Put " (deleted)" behind the name of an unhashed dentry that is no root."""
        low = self._low
        here = self._get(self._dentry)
        hashed = self._load(here, "dentry", "d_hash.pprev", U64)
        named = low.builder.label("path.named")
        self._if(Predicate.NE, hashed, 0, named, "path.unhashed")
        self._same(
            self._load(here, "dentry", "d_parent", self._pointer("dentry")),
            here,
            named,
            "path.deleted",
        )
        place = low.reg(PtrType(Space.STACK))
        start = self._last - len(_DELETED)
        low.add(Offset(place, self._address(self._room), Const(start, I64), span=self._span))
        self._read(place, Const(len(_DELETED), U64), self._constant(_DELETED))
        self._move(Const(start, U64))
        low.jump(named)
        low.builder.start(named)

    def _read(self, target: Value, size: Value, source: Value) -> None:
        address = self._low.reg(PtrType(Space.KERNEL))
        self._low.add(Convert(address, source, span=self._span))
        self._low.add(Helper(None, "probe_read_kernel", (target, size, address), span=self._span))

    def _task_root(self) -> tuple[Slot, Slot]:
        """The running task's root directory; NULL where it has none any more."""
        low = self._low
        task = low.reg(self._pointer("task_struct"))
        low.add(
            Current(task, CurrentItem.TASK, low.site(self._node, "MemoryError"), span=self._span)
        )
        files = self._load(task, "task_struct", "fs", self._pointer("fs_struct"))
        slots = []
        for member, kind in (("mnt", "vfsmount"), ("dentry", "dentry")):
            slot = self._pointer_slot(kind)
            self._set(slot, self._load(files, "fs_struct", f"root.{member}", self._pointer(kind)))
            slots.append(slot)
        return slots[0], slots[1]

    def _loop(self, labels: dict[str, str]) -> None:
        low = self._low
        root_mount, root_dentry = self._task_root()
        steps = low.builder.slot("steps", U64, 8)
        low.add(SlotStore(steps, Const(0, U64), span=self._span))
        head = low.builder.label("path.step")
        crossed = low.builder.label("path.mount")
        low.jump(head)
        low.builder.start(head)
        step = self._get(steps)
        self._if(Predicate.UGE, step, _STEPS, labels["cut"], "path.more")
        low.add(SlotStore(steps, self._do(BinaryOp.ADD, step, 1), span=self._span))
        dentry, mount = self._get(self._dentry), self._get(self._mount)
        self._if(Predicate.EQ, dentry, 0, labels["cut"], "path.there")
        elsewhere = low.builder.label("path.elsewhere")
        at_root = low.reg(BOOL)
        low.add(Compare(at_root, Predicate.EQ, dentry, self._get(root_dentry), span=self._span))
        maybe = low.builder.label("path.root")
        low.add(Branch(at_root, maybe, elsewhere, span=self._span))
        low.builder.start(maybe)
        self._same(mount, self._get(root_mount), labels["end"], "path.other_mount")
        low.jump(elsewhere)
        low.builder.start(elsewhere)
        top = self._load(mount, "vfsmount", "mnt_root", self._pointer("dentry"))
        self._same(dentry, top, crossed, "path.below")
        parent = self._load(dentry, "dentry", "d_parent", self._pointer("dentry"))
        self._same(parent, dentry, labels["floating"], "path.child")
        self._name(dentry, labels["cut"])
        self._set(self._dentry, parent)
        low.jump(head)
        low.builder.start(crossed)
        self._cross(mount, labels["end"])
        low.jump(head)

    def _cross(self, mount: Value, end: str) -> None:
        """From a mount's root to where it is mounted; the root of all mounts has itself as parent."""
        low = self._low
        field = field_of(low, self._node, self._struct("mount"), "mnt")
        offset, back = low.reg(U64), low.reg(U64)
        low.add(Reloc(offset, RelocKind.FIELD_BYTE_OFFSET, field=field, span=self._span))
        low.add(Binary(back, BinaryOp.SUB, Const(0, U64), offset, span=self._span))
        whole = low.reg(self._pointer("mount"))
        low.add(Offset(whole, mount, back, span=self._span))
        parent = self._load(whole, "mount", "mnt_parent", self._pointer("mount"))
        self._same(parent, whole, end, "path.mounted")
        self._set(
            self._dentry, self._load(whole, "mount", "mnt_mountpoint", self._pointer("dentry"))
        )
        inner = low.reg(self._pointer("vfsmount"))
        low.add(FieldAddr(inner, parent, field, span=self._span))
        self._set(self._mount, inner)

    def _name(self, dentry: Value, cut: str) -> None:
        """Write a dentry's name and a slash before what is there."""
        low = self._low
        length32 = self._load(dentry, "dentry", "d_name.len", U32)
        length = low.reg(U64)
        low.add(Convert(length, length32, span=self._span))
        self._if(Predicate.UGE, length, _NAME, cut, "path.length")
        here = self._position()
        # The slash must not stand before the first byte that the capacity has room for.
        needed = self._do(BinaryOp.ADD, length, self._last + 2 - self.size)
        self._if(Predicate.UGT, needed, here, cut, "path.room")
        first = self._do(BinaryOp.SUB, here, length)
        bounded = low.reg(U64)
        low.add(Masked(bounded, length, _NAME - 1, span=self._span))
        text = self._load(dentry, "dentry", "d_name.name", PtrType(Space.KERNEL))
        low.add(
            Helper(None, "probe_read_kernel", (self._at(first), bounded, text), span=self._span)
        )
        slash = self._do(BinaryOp.SUB, first, 1)
        low.add(Store(self._at(slash), Const(ord("/"), U8), 0, span=self._span))
        self._move(slash)

    def _without_slash(self, finish: str) -> None:
        """A path that lost its beginning does not look like a whole one; none at all is empty."""
        here = self._position()
        self._if(Predicate.EQ, here, self._last, finish, "path.some")
        self._move(self._do(BinaryOp.ADD, here, 1))

    def _copy(self) -> None:
        """The finished path to the result; of the root itself nothing was written yet."""
        low = self._low
        here = self._position()
        some = low.builder.label("path.written")
        self._if(Predicate.NE, here, self._last, some, "path.is_root")
        slash = self._do(BinaryOp.SUB, here, 1)
        low.add(Store(self._at(slash), Const(ord("/"), U8), 0, span=self._span))
        self._move(slash)
        low.jump(some)
        low.builder.start(some)
        self._read_text(self._at(self._position()))

    def _read_text(self, source: Value) -> None:
        low = self._low
        address, ignored = low.reg(PtrType(Space.KERNEL)), low.reg(I64)
        low.add(Convert(address, source, span=self._span))
        target = self._address(self._result)
        low.add(ReadStr(ignored, target, self.size, address, _ZERO_ON_FAULT, span=self._span))

    # ------------------------------------------------------------ what is in no directory

    def _floating(self, labels: dict[str, str]) -> None:
        """A dentry without a parent that is no mount's root: pipes, sockets, memfds and the like."""
        low = self._low
        dentry = self._get(self._dentry)
        begun = low.builder.label("path.detached")
        self._if(Predicate.NE, self._position(), self._last, begun, "path.pseudo")
        block = self._load(dentry, "dentry", "d_sb", self._pointer("super_block"))
        magic = self._load(block, "super_block", "s_magic", U64)
        numbered_, anonymous, namespace = (
            low.builder.label(f"path.{each}") for each in ("numbered", "anonymous", "namespace")
        )
        self._if(Predicate.EQ, magic, _PIPEFS, numbered_)
        self._if(Predicate.EQ, magic, _SOCKFS, numbered_)
        self._if(Predicate.EQ, magic, _ANON_INODE_FS, anonymous)
        self._if(Predicate.EQ, magic, _NSFS, namespace)
        # Without a mount, this is the root of the file system, and nothing is said of mounts.
        self._if(Predicate.EQ, self._get(self._mount), 0, begun)
        self._nameless(dentry, labels)
        low.builder.start(numbered_)
        self._numbered(dentry, magic, labels)
        low.builder.start(anonymous)
        self._anonymous(dentry, labels)
        low.builder.start(namespace)
        self._namespace(dentry, labels)
        low.builder.start(begun)
        low.jump(labels["end"])

    def _nameless(self, dentry: Value, labels: dict[str, str]) -> None:
        """``/memfd:name (deleted)``, as simple_dname of fs/d_path.c writes it."""
        low = self._low
        place = low.reg(PtrType(Space.STACK))
        start = self._last - len(_DELETED)
        low.add(Offset(place, self._address(self._room), Const(start, I64), span=self._span))
        self._read(place, Const(len(_DELETED), U64), self._constant(_DELETED))
        self._move(Const(start, U64))
        self._name(dentry, labels["cut"])
        low.jump(labels["end"])

    def _finish_with(self, text: StrValue, labels: dict[str, str]) -> None:
        low = self._low
        size = min(text.size, self.size)
        target = self._address(self._result)
        low.add(CopyBytes(target, text.address, size, span=self._span))
        if size < text.size:
            low.add(Store(target, Const(0, U8), size - 1, span=self._span))
        low.jump(labels["finish"])

    def _numbered(self, dentry: Value, magic: Value, labels: dict[str, str]) -> None:
        """``pipe:[123]``, ``socket:[123]``: the inode's number."""
        low = self._low
        inode = self._load(dentry, "dentry", "d_inode", self._pointer("inode"))
        number = self._load(inode, "inode", "i_ino", U64)
        socket, which = low.reg(BOOL), low.reg(U64)
        low.add(Compare(socket, Predicate.EQ, magic, Const(_SOCKFS, U64), span=self._span))
        low.add(Convert(which, socket, span=self._span))
        offset = self._do(BinaryOp.MUL, which, _WORD)
        name = text_at(low, self._node, self._constant(b"pipe\0\0\0\0socket"), offset, _WORD)
        text = numbered(low, self._node, (name, len("socket")), IntValue(number, U64))
        self._finish_with(text, labels)

    def _namespace(self, dentry: Value, labels: dict[str, str]) -> None:
        """``net:[4026531840]``: the namespace's sort and number."""
        low = self._low
        inode = self._load(dentry, "dentry", "d_inode", self._pointer("inode"))
        common = self._load(inode, "inode", "i_private", self._pointer("ns_common"))
        number = self._load(common, "ns_common", "inum", U32)
        actions = self._load(common, "ns_common", "ops", self._pointer("proc_ns_operations"))
        label = self._load(actions, "proc_ns_operations", "name", PtrType(Space.KERNEL))
        _, name = low.buffer("sort", 24)
        ignored, wide = low.reg(I64), low.reg(I64)
        low.add(ReadStr(ignored, name, 24, label, _ZERO_ON_FAULT, span=self._span))
        low.add(Convert(wide, number, span=self._span))
        text = numbered(low, self._node, (name, 23), IntValue(wide, U32))
        self._finish_with(text, labels)

    def _anonymous(self, dentry: Value, labels: dict[str, str]) -> None:
        """``anon_inode:[eventfd]``."""
        low = self._low
        text = self._load(dentry, "dentry", "d_name.name", PtrType(Space.KERNEL))
        target = self._address(self._result)
        prefix = b"anon_inode:"
        for position, byte in enumerate(prefix):
            low.add(Store(target, Const(byte, U8), position, span=self._span))
        rest = low.reg(PtrType(Space.STACK))
        low.add(Offset(rest, target, Const(len(prefix), I64), span=self._span))
        size = min(self.size - len(prefix), _NAME)
        read = (rest, Const(size, U64), text)
        low.add(Helper(None, "probe_read_kernel_str", read, span=self._span))
        low.jump(labels["finish"])
