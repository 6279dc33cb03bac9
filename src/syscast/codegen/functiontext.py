"""One function of primitive IR as LLVM text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.codegen.metadata import quoted
from syscast.errors import InternalError
from syscast.ir import ops
from syscast.ir.helpers import HELPERS
from syscast.ir.printer import op_text
from syscast.ir.program import C
from syscast.ir.types import Const, IntType, PtrType, Reg, Space
from syscast.ir.walk import result

if TYPE_CHECKING:
    from syscast.codegen.debuginfo import DebugInfo
    from syscast.codegen.relocations import Relocations
    from syscast.ir.ops import FieldRef, Op
    from syscast.ir.program import Function
    from syscast.ir.types import IrType, Slot, Value

CONFIG_GLOBAL = "syscast_config"
_MAX_INLINE = 128  # stores that LLVM's BPF back end makes of one memset or memcpy
_TYPED = frozenset({Space.KERNEL, Space.USER})
_COMPARE_UNITS = (8, 4, 2, 1)
_PACKET_UNITS = {1: "byte", 2: "half", 4: "word"}
_CONTEXT_ACCESS = {
    "load": "nocallback nofree nounwind willreturn memory(argmem: read)",
    "store": "nocallback nofree nounwind willreturn",
}


class FunctionText:
    """Renders one function.

    Attributes:
        passthroughs: How many ``llvm.bpf.passthrough`` the module has so far; each needs a number
            of its own, which also keeps LLVM from merging two relocated accesses.
        intrinsics: Declarations that the text needs.
    """

    def __init__(
        self, function: Function, debug: DebugInfo, relocations: Relocations, passthroughs: int
    ) -> None:
        self.passthroughs: int = passthroughs
        self._function = function
        self._debug = debug
        self._relocations = relocations
        self._subprogram = debug.subprogram(function)
        self._lines: list[str] = []
        self._temps = 0
        self._location = ""
        self._align = _alignments(function)
        context = function.context
        self.intrinsics: set[str] = set()
        self._is_c = context is not None and context.kind == C
        self._direct = context.direct_reads if context is not None else function.direct

    def text(self) -> str:
        """The definition."""
        function = self._function
        if function.context is not None:
            head = f"define i32 @{quoted(function.name)}(ptr %ctx) #0"
            head += f" section {quoted(function.context.section)}"
        else:
            returns = _type(function.returns) if function.returns else "void"
            parameters = ", ".join(f"{_type(p.type)} %r{p.id}" for p in function.parameters)
            head = f"define internal {returns} @{quoted(function.name)}({parameters}) #0"
        self._lines = [f"{head} !dbg {self._subprogram} {{", "start:"]
        self._lines += [f"  {_slot(s)} = alloca {_room(s)}, align 8" for s in function.slots]
        self._lines.append(f"  br label {_label(function.blocks[0].label)}")
        for block in function.blocks:
            self._lines.append(f"{quoted(block.label)}:")
            for op in block.ops:
                where = self._debug.location(op.span, function, self._subprogram)
                self._location = f", !dbg {where}"
                self._render(op)
        self._lines.append("}")
        return "\n".join(self._lines)

    # ------------------------------------------------------------ dispatch

    def _render(self, op: Op) -> None:
        known = self._arithmetic(op) or self._memory(op) or self._other(op) or self._ends(op)
        if not known:
            raise InternalError(f"codegen: `{op_text(op)}` is not a primitive")

    def _arithmetic(self, op: Op) -> bool:
        match op:
            case ops.Binary():
                self._binary(op)
            case ops.Compare():
                self._compare(op)
            case ops.Select():
                self._select(op)
            case ops.ByteSwap():
                self._byte_swap(op)
            case ops.Convert():
                self._convert(op)
            case ops.Masked():
                # Hidden before, or a needless mask would go; and behind, or LLVM would make `or`
                # of an addition to an aligned pointer, which the verifier refuses.
                hidden = self._temp(f'call i64 asm "", "=r,0"(i64 {self._wide(op.a)})')
                bounded = self._temp(f"and i64 {hidden}, {op.mask}")
                self._make(op, f'call i64 asm "", "=r,0"(i64 {bounded})')
            case ops.Opaque():
                type_ = _type(op.a.type)
                number = f", i32 {op.number}" if op.number else ""
                constraints = "=r,0,i" if op.number else "=r,0"
                text = f'call {type_} asm "", "{constraints}"({type_} {_value(op.a)}{number})'
                self._make(op, text)
            case _:
                return False
        return True

    def _memory(self, op: Op) -> bool:
        match op:
            case ops.SlotLoad():
                self._make(op, f"load {_type(op.result.type)}, ptr {_slot(op.slot)}")
            case ops.SlotStore():
                value = op.value
                self._put(f"store {_type(value.type)} {_value(value)}, ptr {_slot(op.slot)}")
            case ops.SlotAddr():
                self._make(op, f"bitcast ptr {_slot(op.slot)} to ptr")
            case ops.Load():
                self._load(op)
            case ops.Store():
                self._store(op)
            case ops.Offset():
                self._offset(op)
            case ops.AtomicAdd():
                self._atomic_add(op)
            case ops.Atomic():
                self._atomic(op)
            case ops.PacketLoad():
                unit = _PACKET_UNITS[op.size]
                at = self._wide(op.at)
                self.intrinsics.add(f"declare i64 @llvm.bpf.load.{unit}(ptr, i64)")
                self._make(op, f"call i64 @llvm.bpf.load.{unit}(ptr %ctx, i64 {at})")
            case _:
                return self._bytes(op)
        return True

    def _bytes(self, op: Op) -> bool:
        match op:
            case ops.Fill():
                self._fill(op)
            case ops.CopyBytes():
                self._copy_bytes(op)
            case ops.BytesEqual():
                self._bytes_equal(op)
            case ops.SameText():
                self._same_text(op)
            case _:
                return False
        return True

    def _other(self, op: Op) -> bool:
        match op:
            case ops.FieldAddr():
                self._make(
                    op, f"bitcast ptr {self._field_address(self._base(op.base), op.field)} to ptr"
                )
            case ops.FieldLoad():
                self._load_from(op, self._field_address(_value(op.base), op.field))
            case ops.Reloc():
                self._reloc(op)
            case ops.HelperExists():
                number = self._relocated(self._relocations.helper(op.name))
                self._make(op, f"icmp ne i64 {number}, 0")
            case ops.Helper():
                self._helper(op)
            case ops.Call():
                self._call(op)
            case ops.MapAddr():
                self._make(op, f"bitcast ptr @{quoted(op.map)} to ptr")
            case ops.FunctionAddr():
                self._make(op, f"bitcast ptr @{quoted(op.function)} to ptr")
            case ops.DataAddr():
                self._make(op, f"getelementptr i8, ptr @{CONFIG_GLOBAL}, i64 {op.offset}")
            case ops.CtxAddr():
                self._make(op, "bitcast ptr %ctx to ptr")
            case _:
                return False
        return True

    def _ends(self, op: Op) -> bool:
        match op:
            case ops.Jump():
                self._put(f"br label {_label(op.target)}{self._unrolled(op)}")
            case ops.Branch():
                then, other = _label(op.then), _label(op.other)
                branch = f"br i1 {_value(op.cond)}, label {then}, label {other}"
                self._put(branch + self._unrolled(op))
            case ops.Return():
                self._return(op)
            case _:
                return False
        return True

    def _unrolled(self, op: ops.Jump | ops.Branch) -> str:
        return f", !llvm.loop {self._debug.unrolled_loop()}" if op.unroll else ""

    # ------------------------------------------------------------ lines

    def _put(self, line: str) -> None:
        self._lines.append(f"  {line}{self._location}")

    def _temp(self, line: str) -> str:
        self._temps += 1
        name = f"%t{self._temps}"
        self._put(f"{name} = {line}")
        return name

    def _make(self, op: Op, line: str) -> None:
        made = result(op)
        if made is None:
            self._put(line)
        else:
            self._put(f"%r{made.id} = {line}")

    def _wide(self, value: Value) -> str:
        """A 64-bit integer with the value's number."""
        if isinstance(value, Const):
            return str(value.value)
        if isinstance(value.type, PtrType):
            return self._temp(f"ptrtoint ptr {_value(value)} to i64")
        if value.type.bits == 64:
            return _value(value)
        extend = "sext" if value.type.signed else "zext"
        return self._temp(f"{extend} {_type(value.type)} {_value(value)} to i64")

    def _at(self, ptr: Value, offset: int) -> str:
        if not offset:
            return _value(ptr)
        return self._temp(f"getelementptr i8, ptr {_value(ptr)}, i64 {offset}")

    def _alignment(self, ptr: Value, offset: int) -> int:
        known = self._align.get(ptr.id, 8) if isinstance(ptr, Reg) else 8
        return min(known, offset & -offset) if offset else known

    # ------------------------------------------------------------ arithmetic

    def _binary(self, op: ops.Binary) -> None:
        self._make(op, f"{op.op.value} {_type(op.a.type)} {_value(op.a)}, {_value(op.b)}")

    def _compare(self, op: ops.Compare) -> None:
        a, b = _value(op.a), _value(op.b)
        self._make(op, f"icmp {op.pred.value} {_type(op.a.type)} {a}, {b}")

    def _select(self, op: ops.Select) -> None:
        type_ = _type(op.a.type)
        self._make(
            op, f"select i1 {_value(op.cond)}, {type_} {_value(op.a)}, {type_} {_value(op.b)}"
        )

    def _byte_swap(self, op: ops.ByteSwap) -> None:
        type_ = _type(op.a.type)
        self._make(op, f"call {type_} @llvm.bswap.{type_}({type_} {_value(op.a)})")

    def _convert(self, op: ops.Convert) -> None:
        source, target = op.a.type, op.result.type
        a = _value(op.a)
        if isinstance(source, PtrType) and isinstance(target, PtrType):
            self._make(op, f"bitcast ptr {a} to ptr")
        elif isinstance(source, PtrType):
            self._resize(op, self._number(op.a), 64, signed=False)
        elif isinstance(target, PtrType):
            self._make(op, f"inttoptr i64 {self._wide(op.a)} to ptr")
        else:
            self._resize(op, a, source.bits, signed=source.signed)

    def _resize(self, op: ops.Convert, a: str, bits: int, *, signed: bool) -> None:
        target = op.result.type
        assert isinstance(target, IntType)
        if target.bits == bits:
            self._make(op, f"bitcast i{bits} {a} to i{bits}")
        elif target.bits == 1:
            self._make(op, f"icmp ne i{bits} {a}, 0")
        elif target.bits < bits:
            text = f"trunc i{bits} {a} to i{target.bits}"
            self._make(op, self._hidden(text, target) if self._is_c and bits == 64 else text)
        else:
            extend = "sext" if signed else "zext"
            self._make(op, f"{extend} i{bits} {a} to i{target.bits}")

    def _hidden(self, part: str, type_: IntType) -> str:
        """The lower part of a number, of which LLVM does not know that it is a part of one.

        Else it tests the part and computes with the whole, masked by what the test told it: of
        ``if (n < 69) a[n]`` the verifier sees an index below 128.
        """
        low = self._temp(part)
        if type_.bits == 32:
            return f'call i32 asm "", "=r,0"(i32 {low})'
        extend = "sext" if type_.signed else "zext"
        wide = self._temp(f"{extend} i{type_.bits} {low} to i32")
        first = -(1 << type_.bits - 1) if type_.signed else 0
        limits = f"range(i32 {first}, {first + (1 << type_.bits)})"
        same = self._temp(f'call {limits} i32 asm "", "=r,0"(i32 {wide})')
        return f"trunc i32 {same} to i{type_.bits}"

    def _number(self, ptr: Value) -> str:
        """An address as a number that the verifier takes for one.

        Where pointers are typed by BTF, arithmetic on them is refused; two negations make an
        unknown number of one (check_alu_op marks the result so). The empty asm keeps LLVM from
        cancelling them.
        """
        number = self._wide(ptr)
        type_ = ptr.type
        in_context = isinstance(type_, PtrType) and type_.space is Space.CTX
        typed = self._direct and isinstance(type_, PtrType) and type_.space in _TYPED
        if isinstance(ptr, Const) or not (typed or in_context):
            return number
        negated = self._temp(f"sub i64 0, {number}")
        hidden = self._temp(f'call i64 asm "", "=r,0"(i64 {negated})')
        return self._temp(f"sub i64 0, {hidden}")

    # ------------------------------------------------------------ memory

    def _load(self, op: ops.Load) -> None:
        type_ = op.result.type
        if self._at_fixed_offset(op.ptr, type_):
            call = self._context_access("load", type_, op.offset)
            self._make(op, f"call {_type(type_)} {call.format('', _value(op.ptr))}")
        else:
            self._load_from(op, self._at(op.ptr, op.offset), op.align)

    def _at_fixed_offset(self, ptr: Value, type_: IrType) -> bool:
        """Whether C text accesses its context: LLVM must not compute that address in another way."""
        whole = isinstance(type_, PtrType) or type_.bits > 1
        in_context = isinstance(ptr.type, PtrType) and ptr.type.space is Space.CTX
        return whole and in_context and self._is_c

    def _context_access(self, what: str, type_: IrType, offset: int) -> str:
        """The intrinsic that becomes an access at a constant offset, never split, joined or narrowed.

        That is what clang makes of ``preserve_static_offset``.
        """
        text = _type(type_)
        name = f"@llvm.bpf.getelementptr.and.{what}.{'p0' if text == 'ptr' else text}"
        value = "" if what == "load" else f"{text}, "
        returns = text if what == "load" else "void"
        self.intrinsics.add(
            f"declare {returns} {name}({value}ptr, i1, i8, i8, i8, i1, ...)"
            f" {_CONTEXT_ACCESS[what]}"
        )
        align = _size(type_).bit_length() - 1
        return (
            f"({value}ptr, i1, i8, i8, i8, i1, ...) {name}({{}}ptr elementtype(i8) {{}},"
            f" i1 true, i8 0, i8 1, i8 {align}, i1 true, i64 {offset})"
        )

    def _load_from(self, op: ops.Load | ops.FieldLoad, address: str, align: int = 0) -> None:
        type_ = op.result.type
        if isinstance(type_, IntType) and type_.bits == 1:
            byte = self._temp(f"load i8, ptr {address}")
            self._make(op, f"icmp ne i8 {byte}, 0")
        else:
            known = min(align or 8, _size(type_))
            self._make(op, f"load {_type(type_)}, ptr {address}, align {known}")

    def _store(self, op: ops.Store) -> None:
        value, type_ = _value(op.value), op.value.type
        text = _type(type_)
        if text == "i1":
            value, text = self._temp(f"zext i1 {value} to i8"), "i8"
        if self._at_fixed_offset(op.ptr, type_):
            call = self._context_access("store", type_, op.offset)
            self._put(f"call void {call.format(f'{text} {value}, ', _value(op.ptr))}")
            return
        address = self._at(op.ptr, op.offset)
        known = min(op.align or 8, _size(type_))
        self._put(f"store {text} {value}, ptr {address}, align {known}")

    def _offset(self, op: ops.Offset) -> None:
        base, delta = self._base(op.ptr), self._wide(op.delta)
        if isinstance(op.delta, Reg) and not self._is_c:
            # Where LLVM knows that no bit is set in both, it adds by `or`, which pointers may not. In C
            # it must see the number until loops are unrolled, so the child hides it when it is done.
            delta = self._temp(f'call i64 asm "", "=r,0"(i64 {delta})')
        self._make(op, f"getelementptr i8, ptr {base}, i64 {delta}")

    def _atomic_add(self, op: ops.AtomicAdd) -> None:
        # A result that is not used and the weakest order give XADD, which every kernel has.
        type_ = _type(op.value.type)
        address = self._at(op.ptr, op.offset)
        self._temp(f"atomicrmw add ptr {address}, {type_} {_value(op.value)} monotonic")

    def _atomic(self, op: ops.Atomic) -> None:
        type_, address = _type(op.value.type), self._at(op.ptr, op.offset)
        value = _value(op.value)
        order = "monotonic" if op.result is None else "seq_cst"
        if op.op is not ops.AtomicOp.CMPXCHG:
            self._make(op, f"atomicrmw {op.op.value} ptr {address}, {type_} {value} {order}")
            return
        expected = f"{type_} {_value(op.expected)}"
        both = self._temp(f"cmpxchg ptr {address}, {expected}, {type_} {value} seq_cst seq_cst")
        if op.result is not None:
            self._make(op, f"extractvalue {{ {type_}, i1 }} {both}, 0")

    def _fill(self, op: ops.Fill) -> None:
        align = self._alignment(op.ptr, op.offset)
        self._inline(op, op.size, align)
        address = self._at(op.ptr, op.offset)
        self._put(
            f"call void @llvm.memset.p0.i64(ptr align {align} {address}, i8 0, i64 {op.size},"
            " i1 false)"
        )

    def _copy_bytes(self, op: ops.CopyBytes) -> None:
        to_align = self._alignment(op.dst, op.dst_offset)
        from_align = self._alignment(op.src, op.src_offset)
        self._inline(op, op.size, min(to_align, from_align))
        to, from_ = self._at(op.dst, op.dst_offset), self._at(op.src, op.src_offset)
        self._put(
            f"call void @llvm.memcpy.p0.p0.i64(ptr align {to_align} {to},"
            f" ptr align {from_align} {from_}, i64 {op.size}, i1 false)"
        )

    @staticmethod
    def _inline(op: Op, size: int, align: int) -> None:
        if size > _MAX_INLINE * align:
            raise InternalError(f"codegen: `{op_text(op)}` is too large to be made inline")

    def _bytes_equal(self, op: ops.BytesEqual) -> None:
        known = self._alignment(op.a, 0)
        done = 0
        differences = []
        while done < len(op.b):
            left = len(op.b) - done
            unit = next(u for u in _COMPARE_UNITS if u <= min(left, known))
            want = int.from_bytes(op.b[done : done + unit], "little")
            address = self._at(op.a, done)
            got = self._temp(f"load i{unit * 8}, ptr {address}, align {unit}")
            if unit < 8:
                got = self._temp(f"zext i{unit * 8} {got} to i64")
            differences.append(self._temp(f"xor i64 {got}, {want}"))
            done += unit
        self._none_of(op, differences)

    def _same_text(self, op: ops.SameText) -> None:
        known = min(self._alignment(op.a, 0), self._alignment(op.b, 0))
        done = 0
        differences = []
        while done < op.size:
            unit = next(u for u in _COMPARE_UNITS if u <= min(op.size - done, known))
            sides = []
            for pointer in (op.a, op.b):
                address = self._at(pointer, done)
                got = self._temp(f"load i{unit * 8}, ptr {address}, align {unit}")
                sides.append(
                    self._temp(f"zext i{unit * 8} {got} to i64")
                    if unit < _COMPARE_UNITS[0]
                    else got
                )
            differences.append(self._temp(f"xor i64 {sides[0]}, {sides[1]}"))
            done += unit
        self._none_of(op, differences)

    def _none_of(self, op: Op, differences: list[str]) -> None:
        total = differences[0] if differences else "0"
        for each in differences[1:]:
            total = self._temp(f"or i64 {total}, {each}")
        self._make(op, f"icmp eq i64 {total}, 0")

    # ------------------------------------------------------------ relocated

    def _relocated(self, global_: str) -> str:
        number = self._temp(f"load i64, ptr {global_}")
        self.passthroughs += 1
        return self._temp(
            f"call i64 @llvm.bpf.passthrough.i64.i64(i32 {self.passthroughs}, i64 {number})"
        )

    def _base(self, ptr: Value) -> str:
        """A pointer to compute with.

        The verifier refuses arithmetic on typed pointers that may be NULL, and by unknown numbers
        on all of them; what is computed goes to helpers that take any number.
        """
        type_ = ptr.type
        if (
            self._direct
            and isinstance(type_, PtrType)
            and type_.space in {Space.KERNEL, Space.USER}
        ):
            return self._temp(f"inttoptr i64 {self._number(ptr)} to ptr")
        return _value(ptr)

    def _field_address(self, base: str, field: FieldRef) -> str:
        if not self._relocations.relocatable(field):
            return self._temp(f"getelementptr i8, ptr {base}, i64 {field.bit_offset // 8}")
        # The number goes straight into the address: LLVM then puts it into the load's offset.
        global_ = self._relocations.field(field, ops.RelocKind.FIELD_BYTE_OFFSET)
        number = self._temp(f"load i64, ptr {global_}")
        address = self._temp(f"getelementptr i8, ptr {base}, i64 {number}")
        self.passthroughs += 1
        return self._temp(
            f"call ptr @llvm.bpf.passthrough.p0.p0(i32 {self.passthroughs}, ptr {address})"
        )

    def _reloc(self, op: ops.Reloc) -> None:
        if op.field is not None:
            global_ = self._relocations.field(op.field, op.kind)
        else:
            global_ = self._relocations.other(op)
        self._make(op, f"bitcast i64 {self._relocated(global_)} to i64")

    # ------------------------------------------------------------ calls

    def _helper(self, op: ops.Helper) -> None:
        arguments = ", ".join(
            f"ptr {_value(each)}" if isinstance(each.type, PtrType) else f"i64 {self._wide(each)}"
            for each in op.args
        )
        returns = _type(op.result.type) if op.result is not None else "i64"
        call = f"call {returns} inttoptr (i64 {HELPERS[op.name].number} to ptr)({arguments})"
        self._make(op, call)

    def _call(self, op: ops.Call) -> None:
        arguments = ", ".join(f"{_type(each.type)} {_value(each)}" for each in op.args)
        returns = _type(op.result.type) if op.result is not None else "void"
        self._make(op, f"call {returns} @{quoted(op.function)}({arguments})")

    def _return(self, op: ops.Return) -> None:
        if self._function.context is None:
            value = op.value
            self._put(f"ret {_type(value.type)} {_value(value)}" if value else "ret void")
            return
        if op.value is None:
            self._put("ret i32 0")
            return
        wide = self._wide(op.value)
        self._put(f"ret i32 {self._temp(f'trunc i64 {wide} to i32')}")


def _type(type_: IrType) -> str:
    return "ptr" if isinstance(type_, PtrType) else f"i{type_.bits}"


def _size(type_: IrType) -> int:
    return 8 if isinstance(type_, PtrType) else max(1, type_.bits // 8)


def _value(value: Value) -> str:
    if isinstance(value, Reg):
        return f"%r{value.id}"
    if isinstance(value.type, PtrType):
        return "null"
    if value.type.bits == 1:
        return "true" if value.value else "false"
    return str(value.value)


def _slot(slot: Slot) -> str:
    return f"%s{slot.id}"


def _room(slot: Slot) -> str:
    return f"[{slot.size} x i8]" if slot.type is None else _type(slot.type)


def _label(label: str) -> str:
    return f"%{quoted(label)}"


def _alignments(function: Function) -> dict[int, int]:
    """Bytes to which pointers are aligned, where it is less than 8."""
    known: dict[int, int] = {}
    for block in function.blocks:
        for op in block.ops:
            if isinstance(op, ops.Offset):
                base = known.get(op.ptr.id, 8) if isinstance(op.ptr, Reg) else 8
                delta = op.delta.value if isinstance(op.delta, Const) else 1
                known[op.result.id] = min(base, delta & -delta) if delta else base
    return known
