"""One function under a pass: copies its ops and lets the pass put others in their place.

A pass walks the blocks with `Editor.walk`; what it adds goes where the replaced op stood, and
may open new blocks, since registers are made once and locals are slots. Prologues stand before
the old entry. Blocks that raise are made once for each site, at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from syscast.ir import ops
from syscast.ir.builder import Builder
from syscast.ir.ops import BinaryOp, Op, Predicate
from syscast.ir.types import BOOL, I32, U64, Const, IntType, IrType, PtrType, Reg, Slot, Space
from syscast.ir.walk import result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from syscast.btf.lookup import Btf
    from syscast.diagnostics import Span
    from syscast.ir.program import Function, Program
    from syscast.ir.types import Value
    from syscast.passes.sites import Sites

STACK = PtrType(Space.STACK)
MAP = PtrType(Space.MAP)
RECORD = PtrType(Space.RECORD)
CTX = PtrType(Space.CTX)
KERNEL = PtrType(Space.KERNEL)


class Editor:
    """Rebuilds one function.

    Attributes:
        function: As it was.
        btf: What the program is compiled against.
        sites: The program's, shared by its functions.
        span: Given to every op added.
    """

    def __init__(self, function: Function, btf: Btf, sites: Sites) -> None:
        self.function = function
        self.btf = btf
        self.sites = sites
        self.span: Span | None = function.span
        registers = [reg.id for b in function.blocks for op in b.ops if (reg := result(op))]
        registers += [each.id for each in function.parameters]
        self._builder = Builder(max(registers, default=-1) + 1, function.slots)
        for block in function.blocks:
            self._builder.label(block.label)
        self._first = 0
        self._dropped: set[Slot] = set()
        self._raises: dict[tuple[int, str], tuple[str, Span | None]] = {}
        self._guard = ""
        self._named = {slot.name: slot for slot in function.slots}

    # ------------------------------------------------------------ the function

    def walk(self, visit: Callable[[Op], bool]) -> None:
        """Copy every block; an op for which ``visit`` returns True is left out (replaced)."""
        for block in self.function.blocks:
            self._builder.start(block.label)
            for op in block.ops:
                self.span = op.span or self.span
                if isinstance(op, ops.Guard):
                    self._guard = op.target
                if not visit(op):
                    self._builder.add(op)
        self._guard = ""

    def finish(self) -> Function:
        """The rebuilt function."""
        for (site, resume), (label, span) in self._raises.items():
            self._builder.start(label)
            self._builder.add(ops.Raise(site=site, resume=resume, span=span))
        blocks = self._builder.blocks()
        first = self._first
        return msgspec.structs.replace(
            self.function,
            blocks=blocks[first:] + blocks[:first],
            slots=tuple(slot for slot in self._builder.slots() if slot not in self._dropped),
        )

    @property
    def entry(self) -> str:
        """Label of the old entry, where a prologue ends."""
        return self.function.blocks[0].label

    def add(self, op: Op) -> None:
        """Append an op as it is, with the current span if it has none."""
        if op.span is None and self.span is not None:
            op = msgspec.structs.replace(op, span=self.span)
        self._builder.add(op)

    def label(self, hint: str) -> str:
        """A fresh label."""
        return self._builder.label(hint)

    def start(self, label: str) -> None:
        """Begin a block."""
        self._builder.start(label)

    def start_new(self, hint: str) -> str:
        """Begin a block with a fresh label."""
        label = self._builder.label(hint)
        self._builder.start(label)
        return label

    def start_first(self, label: str) -> None:
        """Begin the block that becomes the entry; what is added from now on stands before all."""
        self._first = self._builder.count()
        self._builder.start(label)

    def register(self, type_: IrType) -> Reg:
        """A fresh register."""
        return self._builder.register(type_)

    def slot(self, name: str, type_: IrType | None, size: int = 8) -> Slot:
        """The slot of this name, made at first use; passes share theirs by names with ``@``."""
        found = self._named.get(name)
        if found is None:
            found = self._builder.slot(name, type_, size)
            self._named[name] = found
        return found

    def has_slot(self, name: str) -> bool:
        """Whether a slot of this name was made."""
        return name in self._named

    def drop_slots(self, slots: Iterable[Slot]) -> None:
        """Leave out slots that nothing uses any more."""
        self._dropped.update(slots)

    # ------------------------------------------------------------ control flow

    @property
    def guard(self) -> str:
        """Where what raises here goes on; "" where it ends the run. See `syscast.ir.ops.Guard`."""
        return self._guard

    def jump(self, label: str) -> None:
        """End the block."""
        self.add(ops.Jump(target=label))

    def branch(self, cond: Value, then: str, other: str) -> None:
        """End the block in two ways."""
        self.add(ops.Branch(cond=cond, then=then, other=other))

    def when(self, cond: Value, then: str, hint: str = "next") -> None:
        """Leave to ``then`` if ``cond``, else go on in a new block."""
        following = self.label(hint)
        self.branch(cond, then, following)
        self.start(following)

    def raising(self, site: int) -> str:
        """Label of the block that raises at ``site``."""
        key = (site, self._guard)
        if key not in self._raises:
            self._raises[key] = (self.label(f"raise{site}"), self.span)
        return self._raises[key][0]

    def raise_if(self, cond: Value, site: int) -> None:
        """End the run at ``site`` if ``cond``, else go on in a new block."""
        self.when(cond, self.raising(site), "ok")

    # ------------------------------------------------------------ values

    def binary(self, op: BinaryOp, a: Value, b: Value | int, into: Reg | None = None) -> Reg:
        """``a op b``; an int stands for a constant of a's type."""
        made = into or self.register(a.type)
        self.add(ops.Binary(result=made, op=op, a=a, b=self.constant(b, a.type)))
        return made

    def compare(self, pred: Predicate, a: Value, b: Value | int, into: Reg | None = None) -> Reg:
        """``a pred b``; an int stands for a constant of a's type."""
        made = into or self.register(BOOL)
        self.add(ops.Compare(result=made, pred=pred, a=a, b=self.constant(b, a.type)))
        return made

    def is_null(self, ptr: Value) -> Reg:
        """``ptr == NULL``."""
        return self.compare(Predicate.EQ, ptr, 0)

    def convert(self, a: Value, type_: IrType, into: Reg | None = None) -> Value:
        """``a`` in another type, C's way; ``a`` itself where it has the type."""
        if into is None and a.type == type_:
            return a
        made = into or self.register(type_)
        self.add(ops.Convert(result=made, a=a))
        return made

    def select(self, cond: Value, a: Value, b: Value, into: Reg | None = None) -> Reg:
        """``a if cond else b``."""
        made = into or self.register(a.type)
        self.add(ops.Select(result=made, cond=cond, a=a, b=b))
        return made

    @staticmethod
    def constant(value: Value | int, type_: IrType) -> Value:
        """A constant of a type; 64-bit ones wrap into the type's range."""
        if not isinstance(value, int):
            return value
        if isinstance(type_, IntType) and type_.bits == 64:
            value &= (1 << 64) - 1
            if type_.signed and value >> 63:
                value -= 1 << 64
        return Const(value, type_)

    # ------------------------------------------------------------ memory

    def load(self, ptr: Value, type_: IrType, offset: int = 0, into: Reg | None = None) -> Reg:
        """A plain load."""
        made = into or self.register(type_)
        self.add(ops.Load(result=made, ptr=ptr, offset=offset))
        return made

    def store(self, ptr: Value, value: Value, offset: int = 0) -> None:
        """A plain store."""
        self.add(ops.Store(ptr=ptr, value=value, offset=offset))

    def count(self, ptr: Value, offset: int) -> Reg:
        """Add 1 to a per-CPU counter; gives what it was."""
        before = self.load(ptr, U64, offset)
        self.store(ptr, self.binary(BinaryOp.ADD, before, 1), offset)
        return before

    def read_slot(self, slot: Slot) -> Reg:
        """The value of a scalar slot."""
        assert slot.type is not None
        made = self.register(slot.type)
        self.add(ops.SlotLoad(result=made, slot=slot))
        return made

    def write_slot(self, slot: Slot, value: Value) -> None:
        """Set a scalar slot."""
        self.add(ops.SlotStore(slot=slot, value=value))

    def address(self, slot: Slot) -> Reg:
        """Address of a slot."""
        made = self.register(STACK)
        self.add(ops.SlotAddr(result=made, slot=slot))
        return made

    # ------------------------------------------------------------ helpers

    def helper(self, name: str, *args: Value, type_: IrType = U64) -> Reg:
        """Call a helper for its result."""
        made = self.register(type_)
        self.add(ops.Helper(result=made, name=name, args=args))
        return made

    def helper_void(self, name: str, *args: Value) -> None:
        """Call a helper; its result does not matter."""
        self.add(ops.Helper(result=None, name=name, args=args))

    def failed(self, name: str, *args: Value) -> Reg:
        """Call a helper; true where its result is negative, as an int.

        The upper half means nothing where the verifier put in a direct call to a map's own
        function: those returned int until Linux kernel commit d7ba4cc900bf ("bpf: return long
        from bpf_map_ops funcs") (in v6.4).
        """
        return self.compare(Predicate.SLT, self.convert(self.helper(name, *args), I32), 0)

    def map(self, name: str) -> Reg:
        """A map, for helper calls."""
        made = self.register(CTX)
        self.add(ops.MapAddr(result=made, map=name))
        return made

    def context(self) -> Reg:
        """The program's context."""
        made = self.register(CTX)
        self.add(ops.CtxAddr(result=made))
        return made

    def exists(self, helper: str) -> Reg:
        """Whether the kernel that loads the program has a helper."""
        made = self.register(BOOL)
        self.add(ops.HelperExists(result=made, name=helper))
        return made

    def lookup(self, map_name: str, key: Value) -> Reg:
        """A map's value under a u32 key, or NULL."""
        slot = self.slot("@key", IntType(32, signed=False), 4)
        self.write_slot(slot, key)
        return self.helper("map_lookup_elem", self.map(map_name), self.address(slot), type_=MAP)


def each_function(
    program: Program, btf: Btf, sites: Sites, edit: Callable[[Editor], None]
) -> Program:
    """Rebuild every function that is a BPF program; subprograms too."""
    made = []
    for function in program.functions:
        editor = Editor(function, btf, sites)
        edit(editor)
        made.append(editor.finish())
    return msgspec.structs.replace(program, functions=tuple(made), sites=sites.all())
