"""The operations. Each is a frozen value; `result` is the register it makes, where it makes one.

Three layers share one form and the printer; the checker knows which layer a program is in:

1. as lowered by a front end: everything;
2. after the passes: no `Checked*`, `ExactCompare`, `Argument`, `Current`, `Emit`, `KernelLoad` with
   mode AUTO, `Raise`;
3. what codegen reads: primitives only (marked below).
"""

from __future__ import annotations

from enum import Enum

import msgspec

from syscast.diagnostics import Span
from syscast.ir.types import I64, Const, Reg, Slot, Value


class Op(msgspec.Struct, frozen=True, kw_only=True):
    """Base: the source span that a verifier rejection is mapped to."""

    span: Span | None = None


# ---------------------------------------------------------------- arithmetic, primitive: wraps
class BinaryOp(Enum):
    """Machine arithmetic; udiv/urem/sdiv/srem need a divisor proven nonzero, shifts a count < width."""

    ADD = "add"
    SUB = "sub"
    MUL = "mul"
    UDIV = "udiv"
    UREM = "urem"
    SDIV = "sdiv"
    SREM = "srem"
    AND = "and"
    OR = "or"
    XOR = "xor"
    SHL = "shl"
    LSHR = "lshr"
    ASHR = "ashr"


class Binary(Op, frozen=True):
    """``result = a op b``; a, b and result have one integer type; wraps."""

    result: Reg
    op: BinaryOp
    a: Value
    b: Value


class Predicate(Enum):
    """Comparisons of equal types."""

    EQ = "eq"
    NE = "ne"
    ULT = "ult"
    ULE = "ule"
    UGT = "ugt"
    UGE = "uge"
    SLT = "slt"
    SLE = "sle"
    SGT = "sgt"
    SGE = "sge"


class Compare(Op, frozen=True):
    """``result: bool = a pred b``; also pointers (eq, ne)."""

    result: Reg
    pred: Predicate
    a: Value
    b: Value


class Convert(Op, frozen=True):
    """``result = a`` in another type, C's way.

    Integers: narrower truncates, wider extends by the *source's* signedness, equal reinterprets.
    Between pointer and 64-bit integer: the address. Between pointers: another view.
    """

    result: Reg
    a: Value


class ByteSwap(Op, frozen=True):
    """``result`` = the bytes of ``a`` (16, 32 or 64 bits) reversed."""

    result: Reg
    a: Value


class Select(Op, frozen=True):
    """``result = a if cond else b``, both evaluated."""

    result: Reg
    cond: Value
    a: Value
    b: Value


class Opaque(Op, frozen=True):
    """Primitive. ``result = a``, which LLVM does not see: it cannot conclude anything from a.

    A loop's counter goes through it, so that the test which bounds the loop stays as it is written.
    Results of the same value with different numbers are not known to be equal, either.
    """

    result: Reg
    a: Value
    number: int = 0


class Unknown(Op, frozen=True):
    """``result = a`` (I64 or U64), of which the verifier knows nothing. Lowered by the pass current.

    The verifier follows a variable that a loop changes by constants value by value, and so walks
    what is behind the loop once for each. Of a number it does not know, it walks it once.
    """

    result: Reg
    a: Value


# ---------------------------------------------------------------- arithmetic, Python's


class CheckedOp(Enum):
    """Python's operators on I64 and U64 (design section 5). Lowered by the pass checks."""

    ADD = "+"
    SUB = "-"
    MUL = "*"
    FLOORDIV = "//"
    MOD = "%"
    LSHIFT = "<<"
    RSHIFT = ">>"
    AND = "&"
    OR = "|"
    XOR = "^"


class Checked(Op, frozen=True):
    """``result = a op b`` exactly, or the exception Python would raise or cannot have.

    a and b are I64 or U64, mixed too. The front end chooses the result's type: U64 where an
    operand is U64 (but ``&`` of U64 and any is U64, a shift has its left operand's type), else I64.
    """

    result: Reg
    op: CheckedOp
    a: Value
    b: Value
    site: int


class CheckedConvert(Op, frozen=True):
    """``result = a`` if a fits the result's integer type, else OverflowError at ``site``."""

    result: Reg
    a: Value
    site: int


class ExactCompare(Op, frozen=True):
    """``result: bool = a pred b`` as mathematical integers; a, b are any integer types.

    ``pred`` is eq, ne, slt, sle, sgt or sge, whatever the operands' signs.
    """

    result: Reg
    pred: Predicate
    a: Value
    b: Value


# ---------------------------------------------------------------- locals and memory


class SlotLoad(Op, frozen=True):
    """Primitive. Read a scalar slot."""

    result: Reg
    slot: Slot


class SlotStore(Op, frozen=True):
    """Primitive. Write a scalar slot; the value has the slot's type."""

    slot: Slot
    value: Value


class SlotAddr(Op, frozen=True):
    """Primitive. ``result: ptr<stack>`` of a slot."""

    result: Reg
    slot: Slot


class Load(Op, frozen=True):
    """Primitive. Plain load at ``ptr + offset`` (ctx, stack, map value, record, trusted kernel).

    ``align`` is how far the address is known to be aligned; 0: as the type wants it.
    """

    result: Reg
    ptr: Value
    offset: int = 0
    align: int = 0


class Store(Op, frozen=True):
    """Primitive. Plain store at ``ptr + offset``; the value's type gives the width. See `Load`."""

    ptr: Value
    value: Value
    offset: int = 0
    align: int = 0


class Offset(Op, frozen=True):
    """Primitive. ``result = ptr + delta`` bytes (delta any 64-bit integer), of the result's type."""

    result: Reg
    ptr: Value
    delta: Value


class AtomicAdd(Op, frozen=True):
    """Primitive. ``*(ptr + offset) += value``, 32 or 64 bits, atomically."""

    ptr: Value
    value: Value
    offset: int = 0


class AtomicOp(Enum):
    """What `Atomic` does to memory."""

    ADD = "add"
    AND = "and"
    OR = "or"
    XOR = "xor"
    XCHG = "xchg"
    CMPXCHG = "cmpxchg"


class Atomic(Op, frozen=True):
    """Primitive. ``result = *(ptr + offset)`` as it was, and change it by ``value``, in one step.

    32 or 64 bits. CMPXCHG stores ``value`` where memory holds ``expected``. ADD without a result is
    `AtomicAdd`; the rest needs kernel commit 5ffa25502b5a ("bpf: Add instructions for atomic_[cmp]xchg") (in v5.12).
    """

    result: Reg | None
    op: AtomicOp
    ptr: Value
    value: Value
    expected: Value = Const(0, I64)
    offset: int = 0


class PacketLoad(Op, frozen=True):
    """Primitive. ``result: u64`` = ``size`` (1, 2, 4) bytes of the packet at ``at``, in host order.

    BPF_LD_ABS or BPF_LD_IND on the program's socket buffer: where the packet is shorter the program ends.
    """

    result: Reg
    at: Value
    size: int


class AnyLoad(Op, frozen=True):
    """``result = *(T *)(ptr + offset)`` through a C pointer, of space ANY. Lowered by provenance.

    A plain load where the pointer is known to be the program's own memory (context, stack, map value,
    record, packet) or a pointer that the verifier knows by its BTF type; else a probe read,
    which gives zero on a fault. ``align`` as in `Load`.
    """

    result: Reg
    ptr: Value
    offset: int = 0
    align: int = 0


class AnyCopy(Op, frozen=True):
    """Copy ``size`` bytes to own memory from wherever a C pointer points. Lowered by provenance.

    From foreign memory by a probe read: zeros on a fault. The two do not overlap.
    """

    dst: Value
    src: Value
    size: int
    dst_offset: int = 0
    src_offset: int = 0


class Fill(Op, frozen=True):
    """Primitive. ``size`` zero bytes at ``ptr + offset`` (stack, map value, record)."""

    ptr: Value
    size: int
    offset: int = 0


# ---------------------------------------------------------------- kernel memory by BTF


class Access(Enum):
    """How a KernelLoad reads; AUTO is decided by the pass kernel_reads."""

    AUTO = "auto"
    DIRECT = "direct"  # a plain load that the verifier follows by BTF; zero on a fault
    PROBE = "probe"  # bpf_probe_read_kernel
    USER = "user"  # bpf_probe_read_user (struct in user memory)


class FieldRef(msgspec.Struct, frozen=True):
    """A member path inside one struct, from its BTF root, no pointer followed.

    Attributes:
        root: BTF id of the struct or union (resolved).
        path: Member index at each level of nesting; an array element's index stands after its
            array member, as in a CO-RE access string without its leading ``0:``.
        type_id: BTF type of the member reached.
        bit_offset: From the root's start, in the BTF compiled against.
        bitfield_size: In bits, 0 for an ordinary member.
        name: As the user wrote it, for messages: ``__sk_common.skc_num``.
    """

    root: int
    path: tuple[int, ...]
    type_id: int
    bit_offset: int
    bitfield_size: int = 0
    name: str = ""


class FieldAddr(Op, frozen=True):
    """``result = &((struct root *)base)->path``, CO-RE relocated; reads nothing."""

    result: Reg
    base: Value
    field: FieldRef


class FieldLoad(Op, frozen=True):
    """``result = ((struct root *)base)->path``: an integer, bool, enum or pointer member.

    base is in space KERNEL or USER. ``site`` counts a failed read (or a NULL base where reads
    are DIRECT); the probe run ends there (MemoryError). site -1: zero on a fault (C's rule).
    Bit fields are loaded and shifted by CO-RE relocated amounts.
    """

    result: Reg
    base: Value
    field: FieldRef
    site: int
    access: Access = Access.AUTO


class ScalarLoad(Op, frozen=True):
    """``result = *(T *)(ptr)`` in KERNEL or USER space where there is no struct (``int *p``)."""

    result: Reg
    ptr: Value
    site: int


class ReadStr(Op, frozen=True):
    """Read a NUL-terminated string of at most size-1 bytes from ``src`` into ``dst``.

    ``dst`` is in space STACK, MAP or RECORD and has ``size`` bytes; the rest is zeroed, so equal
    strings are equal buffers. ``result: i64`` is the length without NUL. Fault: MemoryError at site.
    """

    result: Reg
    dst: Value
    size: int
    src: Value
    site: int


class ReadBytes(Op, frozen=True):
    """Copy ``size`` bytes from KERNEL or USER space to ``dst``. Fault: MemoryError at site."""

    dst: Value
    size: int
    src: Value
    site: int


class CopyBytes(Op, frozen=True):
    """Copy ``size`` bytes between STACK, MAP and RECORD space; the two do not overlap."""

    dst: Value
    src: Value
    size: int
    dst_offset: int = 0
    src_offset: int = 0


class BytesEqual(Op, frozen=True):
    """``result: bool`` = the first ``size`` bytes of buffer ``a`` equal the literal ``b``."""

    result: Reg
    a: Value
    b: bytes


class SameText(Op, frozen=True):
    """Primitive. ``result: bool`` = the first ``size`` bytes of two buffers are equal.

    Text is zero behind its end, so the smaller buffer's size decides between texts of two sizes.
    """

    result: Reg
    a: Value
    b: Value
    size: int


class Masked(Op, frozen=True):
    """Primitive. ``result: u64 = a & mask``, such that the verifier sees the bound.

    LLVM would leave out a mask that it can prove needless, and the verifier proves less.
    ``mask`` is 2**n - 1.
    """

    result: Reg
    a: Value
    mask: int


class StrLen(Op, frozen=True):
    """``result: i64`` = bytes before the NUL in a text buffer of ``size`` bytes (STACK, MAP)."""

    result: Reg
    text: Value
    size: int


class TextAddr(Op, frozen=True):
    """``result: ptr<map>`` = a constant in read-only data, a NUL behind it."""

    result: Reg
    text: bytes


class TextAppend(Op, frozen=True):
    """Copy the text at ``src`` to ``dst + at``, its NUL too; ``result: i64`` = where that NUL is.

    ``src`` is memory of this program and holds at most ``most`` bytes of text. ``dst`` has
    ``size`` bytes, all initialised, of which the first 2**n take ``at``, and ``most + 1`` more.
    """

    result: Reg
    dst: Value
    size: int
    at: Value
    src: Value
    most: int


class TextSlice(Op, frozen=True):
    """``dst`` = ``count`` bytes of the text buffer ``src`` from ``start`` on; the rest is zero.

    ``start`` and ``count`` (i64) lie inside the text. ``size`` is of dst, a power of two and at
    least ``src_size``.
    """

    dst: Value
    size: int
    src: Value
    src_size: int
    start: Value
    count: Value


class TextFind(Op, frozen=True):
    """``result: bool`` = the text buffer ``text`` of ``size`` bytes contains ``needle``.

    The needle has 1 to 64 bytes, none of them NUL.
    """

    result: Reg
    text: Value
    size: int
    needle: bytes


class RelocKind(Enum):
    """enum bpf_core_relo_kind (uapi/linux/bpf.h)."""

    FIELD_BYTE_OFFSET = 0
    FIELD_BYTE_SIZE = 1
    FIELD_EXISTS = 2
    FIELD_SIGNED = 3
    FIELD_LSHIFT_U64 = 4
    FIELD_RSHIFT_U64 = 5
    TYPE_ID_LOCAL = 6
    TYPE_ID_TARGET = 7
    TYPE_EXISTS = 8
    TYPE_SIZE = 9
    ENUMVAL_EXISTS = 10
    ENUMVAL_VALUE = 11
    TYPE_MATCHES = 12


class Reloc(Op, frozen=True):
    """Primitive. ``result: u64`` = a CO-RE relocated constant.

    ``field`` for FIELD_* kinds; ``type_id`` for TYPE_*; ``type_id`` and ``enumerator`` for ENUMVAL_*.
    """

    result: Reg
    kind: RelocKind
    field: FieldRef | None = None
    type_id: int = 0
    enumerator: str = ""


class HelperExists(Op, frozen=True):
    """``result: bool`` = the kernel's enum bpf_func_id has ``name`` (CO-RE, folded when loading)."""

    result: Reg
    name: str


# ---------------------------------------------------------------- the probe's surroundings


class Argument(Op, frozen=True):
    """``result`` = the probe's argument ``index`` (-1: the return value), from its context."""

    result: Reg
    index: int


class CurrentItem(Enum):
    """What is known of the running task."""

    PID = "pid"  # thread group id, as user space says pid
    TID = "tid"
    UID = "uid"
    GID = "gid"
    CPU = "cpu"
    CGROUP_ID = "cgroup_id"
    NETNS = "netns"  # inode number of the network namespace
    PPID = "ppid"  # thread group id of the real parent
    TASK = "task"  # kernel pointer to struct task_struct


class Current(Op, frozen=True):
    """``result`` = an item of the running task; u32 values arrive as I64, cgroup ids as U64."""

    result: Reg
    item: CurrentItem
    site: int


class CurrentComm(Op, frozen=True):
    """Write the task's comm, 16 bytes, NUL-padded, to ``dst``."""

    dst: Value


class Now(Op, frozen=True):
    """``result: u64`` = boot clock in ns (bpf_ktime_get_boot_ns; monotonic where it is missing)."""

    result: Reg


# ---------------------------------------------------------------- helpers, maps


class Helper(Op, frozen=True):
    """Primitive. Call a BPF helper (``name`` without ``bpf_``, see ir.helpers); result I64/U64/ptr."""

    result: Reg | None
    name: str
    args: tuple[Value, ...] = ()


class MapAddr(Op, frozen=True):
    """Primitive. ``result: ptr<ctx>``-like handle of a map for helper calls."""

    result: Reg
    map: str


class DataAddr(Op, frozen=True):
    """Primitive. ``result: ptr<map>`` = an address inside the read-only data section (config)."""

    result: Reg
    offset: int


class CtxAddr(Op, frozen=True):
    """Primitive. ``result: ptr<ctx>`` = the program's context."""

    result: Reg


class FunctionAddr(Op, frozen=True):
    """Primitive. ``result: ptr<ctx>``-like handle of a function of the program, for helper calls."""

    result: Reg
    function: str


class Call(Op, frozen=True):
    """Primitive. Call another function of the program (a BPF subprogram), integers in and out."""

    result: Reg | None
    function: str
    args: tuple[Value, ...] = ()


# ---------------------------------------------------------------- events


class FieldInit(msgspec.Struct, frozen=True):
    """One field of an emitted event.

    Attributes:
        value: An integer or pointer (already converted to the field's type), or the ``ptr`` of a
            buffer of the field's size in STACK, MAP or (to be read, see ReadBytes) KERNEL space.
    """

    name: str
    value: Value


class Emit(Op, frozen=True):
    """Send one event: header, payload, submit; the ledger counts it. Fields in schema order."""

    schema: int
    fields: tuple[FieldInit, ...]


# ---------------------------------------------------------------- control flow (block ends)


class Jump(Op, frozen=True):
    """Primitive terminator. ``unroll``: it goes back to a loop's head, and the text asks to unroll it."""

    target: str
    unroll: bool = False


class Branch(Op, frozen=True):
    """Primitive terminator on a bool. ``unroll`` as in `Jump`."""

    cond: Value
    then: str
    other: str
    unroll: bool = False


class Return(Op, frozen=True):
    """Primitive terminator. A program returns 0 or what its kind needs; a function its value."""

    value: Value | None = None


class Finish(Op, frozen=True):
    """Terminator: this run of the probe ends (a ledger ``filtered`` if it emitted nothing)."""


class Raise(Op, frozen=True):
    """Terminator: count at ``site``, end this run without an event; go on at ``resume`` if given."""

    site: int
    resume: str = ""


class Guard(Op, frozen=True):
    """From here on, in the order of the blocks, what raises goes on at ``target``; "": it ends the run.

    Filters of events stand between two of these: one that raises holds back its event alone.
    """

    target: str


class Suspend(Op, frozen=True):
    """Terminator of a call probe's entry: keep the kept slots for the exit, end this run."""


TERMINATORS = (Jump, Branch, Return, Finish, Raise, Suspend)
