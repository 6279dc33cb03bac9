"""Where every register of a function comes from: registers, slots and what is stored on the stack.

An analysis for the pass provenance. It starts from "nothing is known to be anything" and goes round all ops
until no origin changes any more; origins only rise in the lattice, so it ends. Slots count as a whole, not
place by place: what any store put there may be there. Memory on the stack is followed in cells of eight
bytes at constant offsets, so that a pointer kept in a local struct stays what it was.

A wrong guess is never a wrong read: the verifier refuses plain loads through what is no memory of the program.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from syscast.btf import types
from syscast.ir import ops
from syscast.ir.helpers import HELPERS, Arg, Returns
from syscast.ir.ops import BinaryOp
from syscast.ir.program import Holds
from syscast.ir.types import Const, IntType, PtrType, Reg
from syscast.passes.origins import FOREIGN, NONE, OWN, PACKET, Kind, Origin, join
from syscast.passes.verifier_walk import walk

if TYPE_CHECKING:
    from collections.abc import Callable

    from syscast.btf.lookup import Btf
    from syscast.ir.ops import Op
    from syscast.ir.program import ContextWord, Function
    from syscast.ir.types import Slot, Value

_WORD = 8
_WRITTEN = frozenset({Arg.OUT, Arg.ADDRESS, Arg.RECORD})
_TYPED_RESULTS = {
    "get_current_task_btf": "task_struct",
    "task_pt_regs": "pt_regs",
    "skc_to_tcp6_sock": "tcp6_sock",
    "skc_to_tcp_sock": "tcp_sock",
    "skc_to_tcp_timewait_sock": "tcp_timewait_sock",
    "skc_to_tcp_request_sock": "tcp_request_sock",
    "skc_to_udp6_sock": "udp6_sock",
    "skc_to_unix_sock": "unix_sock",
    "skc_to_mptcp_sock": "mptcp_sock",
    "sock_from_file": "socket",
}
"""The struct behind what a helper of Returns.TYPED gives."""
_OWN_RESULTS = frozenset({Returns.VALUE, Returns.RECORD, Returns.SOCKET})


class _Cells:
    """What a slot's memory may hold."""

    def __init__(self) -> None:
        self.at: dict[int, Origin] = {}
        self.anywhere: Origin = NONE  # stored at offsets that are not known
        self.plain: set[tuple[int, int]] = set()  # ranges that hold numbers
        self.escaped: bool = False  # its address is where it is not followed

    def get(self, offset: int | None) -> Origin:
        """What a load of eight bytes gives."""
        found = self.anywhere
        if offset is None:
            for each in self.at.values():
                found = join(found, each)
            plain = bool(self.plain)
        else:
            found = join(found, self.at.get(offset, NONE))
            plain = any(start < offset + _WORD and offset < end for start, end in self.plain)
            plain = plain or any(
                offset < at + _WORD and at < offset + _WORD and at != offset for at in self.at
            )
        return join(found, FOREIGN) if plain or self.escaped else found


class OriginFlow:
    """Origins of one function's values, once `settle` has run."""

    def __init__(self, function: Function, btf: Btf) -> None:
        self._function = function
        self._btf = btf
        context = function.context
        words = context.words if context is not None else ()
        self._words: dict[int, ContextWord] = {each.offset: each for each in words}
        self._registers: dict[int, Origin] = {}
        self._slots: dict[int, Origin] = {}
        self._cells: dict[int, _Cells] = {}
        self._changed = False

    def settle(self) -> None:
        """Follow every op until nothing changes."""
        steps = [
            step
            for block in self._function.blocks
            for op in block.ops
            if (step := self._value_step(op) or self._memory_step(op)) is not None
        ]
        self._changed = True
        while self._changed:
            self._changed = False
            for step in steps:
                step()

    def _value_step(self, op: Op) -> Callable[[], None] | None:
        """What to do again and again for an op that makes a value of others."""
        step: Callable[[], None] | None = None
        match op:
            case ops.SlotAddr():
                step = partial(self._make, op.result, Origin(Kind.STACK, op.slot.id))
            case ops.TextAddr() | ops.DataAddr() | ops.MapAddr():
                step = partial(self._make, op.result, OWN)
            case ops.CtxAddr():
                step = partial(self._make, op.result, Origin(Kind.CTX))
            case ops.Opaque():
                step = partial(self._opaque, op)
            case ops.Select():
                step = partial(self._select, op)
            case ops.Offset():
                step = partial(self._offset, op)
            case ops.Convert():
                step = partial(self._convert, op)
            case ops.Binary():
                step = partial(self._binary, op)
            case _:
                pass
        return step

    def _memory_step(self, op: Op) -> Callable[[], None] | None:
        """The same for an op that goes to slots or memory."""
        step: Callable[[], None] | None = None
        match op:
            case ops.SlotLoad():
                step = partial(self._slot_load, op)
            case ops.SlotStore():
                step = partial(self._slot_store, op)
            case ops.Helper():
                step = partial(self._helper, op)
            case ops.AnyLoad() | ops.Load():
                step = partial(self._load, op)
            case ops.Store():
                step = partial(self._store, op)
            case ops.Atomic():
                step = partial(self._atomic, op)
            case ops.AnyCopy() | ops.CopyBytes():
                step = partial(self._copy, op)
            case _:
                pass
        return step

    def of(self, value: Value) -> Origin:
        """The origin of a value; of plain numbers FOREIGN, of NULL NONE."""
        if isinstance(value, Reg):
            return self._registers.get(value.id, NONE)
        return NONE if value.value == 0 else FOREIGN

    def is_escaped(self, slot: Slot) -> bool:
        """Whether a buffer's address is somewhere where it is not followed."""
        cells = self._cells.get(slot.id)
        return cells is not None and cells.escaped

    def holds_pointers(self, slot: Slot) -> bool:
        """Whether pointers are kept in a buffer that the verifier must know when they are loaded again."""
        cells = self._cells.get(slot.id)
        if cells is None:
            return False
        held = {cells.anywhere.kind, *(each.kind for each in cells.at.values())}
        return not held <= _NUMBERS

    # ------------------------------------------------------------ rising

    def _make(self, made: Reg, origin: Origin) -> None:
        old = self._registers.get(made.id, NONE)
        new = self._met(old, origin)
        if new != old:
            self._registers[made.id] = new
            self._changed = True

    def _met(self, a: Origin, b: Origin) -> Origin:
        """Join; a local that is no longer known by itself is one that anything may write to."""
        both = join(a, b)
        for each in (a, b):
            if each.kind is Kind.STACK and both.kind is not Kind.STACK:
                self._escape(each)
        return both

    def _escape(self, origin: Origin) -> None:
        if origin.kind is Kind.STACK and not (cells := self._of_slot(origin)).escaped:
            cells.escaped = self._changed = True

    def _of_slot(self, origin: Origin) -> _Cells:
        return self._cells.setdefault(origin.root, _Cells())

    # ------------------------------------------------------------ values

    def _opaque(self, op: ops.Opaque) -> None:
        self._make(op.result, self.of(op.a))

    def _select(self, op: ops.Select) -> None:
        self._make(op.result, self._met(self.of(op.a), self.of(op.b)))

    def _slot_load(self, op: ops.SlotLoad) -> None:
        self._make(op.result, self._slots.get(op.slot.id, NONE))

    def _slot_store(self, op: ops.SlotStore) -> None:
        old = self._slots.get(op.slot.id, NONE)
        new = self._met(old, self.of(op.value))
        if new != old:
            self._slots[op.slot.id] = new
            self._changed = True

    def _offset(self, op: ops.Offset) -> None:
        base = self.of(op.ptr)
        if base is NONE and isinstance(op.ptr, Const):
            base = self.of(op.delta)  # an address behind NULL, as some write an offset
            self._make(op.result, base.moved(None))
        else:
            self._make(op.result, base.moved(_number(op.delta)))

    def _convert(self, op: ops.Convert) -> None:
        origin = self.of(op.a)
        narrow = _bits(op.a) < 64, isinstance(op.result.type, IntType) and op.result.type.bits < 64
        # The verifier widens a load of xdp_md.data to the pointer that it stands for.
        if (
            any(narrow)
            and origin is not NONE
            and not (origin.kind is Kind.PACKET and not narrow[1])
        ):
            origin = FOREIGN
        self._make(op.result, origin)

    def _binary(self, op: ops.Binary) -> None:
        a, b = self.of(op.a), self.of(op.b)
        origin = FOREIGN
        if op.op in {BinaryOp.ADD, BinaryOp.SUB} and _bits(op.a) == 64:
            if _unsettled(op.a, a) or _unsettled(op.b, b):
                origin = NONE
            elif b.kind in _NUMBERS and a.kind not in _NUMBERS:
                delta = _number(op.b)
                back = op.op is BinaryOp.SUB and delta is not None
                origin = a.moved(-(delta or 0) if back else delta)
            elif op.op is BinaryOp.ADD and a.kind in _NUMBERS and b.kind not in _NUMBERS:
                origin = b.moved(_number(op.a))
        self._make(op.result, origin)

    def _helper(self, op: ops.Helper) -> None:
        info = HELPERS[op.name]
        for number, (kind, value) in enumerate(zip(info.args, op.args, strict=False)):
            origin = self.of(value)
            if kind in _WRITTEN and origin.kind is Kind.STACK:
                size = op.args[number + 1] if number + 1 < len(op.args) else None
                self._overwrite(origin, size.value if isinstance(size, Const) else None)
        if op.result is None:
            return
        found = self._btf.find(_TYPED_RESULTS.get(op.name, ""), types.Struct)
        if info.returns is Returns.TYPED and found:
            self._make(op.result, Origin(Kind.TYPED, found))
        else:
            self._make(op.result, OWN if info.returns in _OWN_RESULTS else FOREIGN)

    # ------------------------------------------------------------ memory

    def _load(self, op: ops.AnyLoad | ops.Load) -> None:
        base = self.of(op.ptr).moved(op.offset)
        origin = FOREIGN
        match base.kind:
            case Kind.NONE:
                origin = NONE
            case Kind.STACK if _bits(op.result) == 64:
                origin = self._of_slot(base).get(base.offset)
            case Kind.CTX if base.offset is not None:
                origin = self._word(base.offset)
            case Kind.TYPED:
                origin = self.typed_load(base, op.result) or FOREIGN
            case _:
                pass
        self._make(op.result, origin)

    def _word(self, offset: int) -> Origin:
        word = self._words.get(offset)
        match word.holds if word is not None else None:
            case Holds.PACKET:
                return PACKET
            case Holds.OWN:
                return OWN
            case Holds.TYPED if word is not None:
                return Origin(Kind.TYPED, word.pointee)
        return FOREIGN

    def typed_load(self, base: Origin, made: Reg) -> Origin | None:
        """What a plain load through a pointer known by its type gives; None where it is refused."""
        if base.kind is not Kind.TYPED or base.offset is None or base.offset < 0:
            return None
        seen = walk(self._btf, base.root, base.offset, max(1, _bits(made) // 8))
        if seen is None:
            return None
        return Origin(Kind.TYPED, seen.pointee) if seen.pointee else FOREIGN

    def _store(self, op: ops.Store) -> None:
        to, value = self.of(op.ptr).moved(op.offset), self.of(op.value)
        if to.kind is not Kind.STACK:
            self._escape(value)
        elif _bits(op.value) < 64:
            self._overwrite(to, max(1, _bits(op.value) // 8))
        else:
            self._put(to, value)

    def _put(self, to: Origin, value: Origin) -> None:
        cells = self._of_slot(to)
        if to.offset is None:
            new = self._met(cells.anywhere, value)
            self._changed |= new != cells.anywhere
            cells.anywhere = new
        else:
            old = cells.at.get(to.offset, NONE)
            new = self._met(old, value)
            self._changed |= new != old
            if new is not NONE:
                cells.at[to.offset] = new

    def _overwrite(self, to: Origin, size: int | None) -> None:
        """Plain numbers are written to the stack."""
        cells = self._of_slot(to)
        start = to.offset or 0
        ranged = (start, start + size if size is not None and to.offset is not None else 1 << 30)
        if ranged not in cells.plain:
            cells.plain.add(ranged)
            self._changed = True

    def _atomic(self, op: ops.Atomic) -> None:
        to = self.of(op.ptr).moved(op.offset)
        if to.kind is Kind.STACK:
            self._overwrite(to, _WORD)
        self._escape(self.of(op.value))
        if op.result is not None:
            self._make(op.result, FOREIGN)

    def _copy(self, op: ops.AnyCopy | ops.CopyBytes) -> None:
        to = self.of(op.dst).moved(op.dst_offset)
        from_ = self.of(op.src).moved(op.src_offset)
        if (
            from_.kind is Kind.STACK
            and to.kind is Kind.STACK
            and None not in {to.offset, from_.offset}
        ):
            self._copy_cells(to, from_, op.size)
        elif to.kind is Kind.STACK:
            self._overwrite(to, op.size)
        elif from_.kind is Kind.STACK:
            for each in list(self._of_slot(from_).at.values()):
                self._escape(each)

    def _copy_cells(self, to: Origin, from_: Origin, size: int) -> None:
        start = from_.offset or 0
        cells = self._of_slot(from_)
        shift = (to.offset or 0) - start
        for offset, origin in list(cells.at.items()):
            if start <= offset and offset + _WORD <= start + size:
                self._put(Origin(Kind.STACK, to.root, offset + shift), origin)
        for ranged in list(cells.plain):
            first, last = max(ranged[0], start), min(ranged[1], start + size)
            if first < last:
                self._overwrite(Origin(Kind.STACK, to.root, first + shift), last - first)
        if cells.escaped or cells.anywhere is not NONE:
            self._overwrite(to, size)


_NUMBERS = frozenset({Kind.NONE, Kind.FOREIGN})


def _unsettled(value: Value, origin: Origin) -> bool:
    """Whether a register's origin may still become known."""
    return isinstance(value, Reg) and origin is NONE


def _bits(value: Value) -> int:
    return 64 if isinstance(value.type, PtrType) else value.type.bits


def _number(value: Value) -> int | None:
    """A constant with its sign, as an offset is added."""
    if not isinstance(value, Const):
        return None
    number = value.value & (1 << 64) - 1
    return number - (1 << 64) if number >> 63 else number
