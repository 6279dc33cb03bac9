"""Functions, programs and what surrounds them: arguments, schemas, sites, maps."""

from __future__ import annotations

from enum import Enum

import msgspec

from syscast.diagnostics import Span
from syscast.ir.ops import FieldRef, Op
from syscast.ir.types import IrType, Reg, Slot
from syscast.spec.meta import SchemaMeta, SiteMeta, StateMeta
from syscast.spec.objectspec import MapSpec
from syscast.spec.tables import TableMeta


class Block(msgspec.Struct, frozen=True):
    """Ops that run in order; the last is the only terminator."""

    label: str
    ops: tuple[Op, ...]


class ArgFrom(Enum):
    """Where the context holds an argument."""

    CTX = "ctx"  # at ctx + offset
    REGS = "regs"  # member `member` of the struct pt_regs that ctx + offset points to
    PROBED = "probed"  # at ctx + offset, where the verifier refuses a plain load: probe read it
    STACK = "stack"  # probe read at (the stack pointer that ctx + member holds) + offset
    TASK = "task"  # member `member` of the running task's task_struct (guards only)
    COOKIE = "cookie"  # the attachment's number; on kernels without it, the u64 at ctx + offset
    MEMORY = "memory"  # read in user space, at the sum that `deref` says
    CONSTANT = "constant"  # the number `offset` itself
    NOWHERE = "nowhere"  # a program cannot get it; `why` says why, for the error where it is used


class Deref(msgspec.Struct, frozen=True):
    """An address in user space: a register, and another one times a number, and a distance.

    Attributes:
        base: Byte in the context of the first register's u64; -1 for none.
        distance: Added, in bytes.
        index: Byte in the context of the other register's u64; -1 for none.
        scale: What that one is multiplied by.
    """

    base: int = -1
    distance: int = 0
    index: int = -1
    scale: int = 1


class ArgumentSource(msgspec.Struct, frozen=True):
    """One argument of a probe and how its program gets it.

    Attributes:
        name: From BTF or the tracepoint's format.
        type_id: BTF type, 0 where there is none (then `ctype` says it).
        offset: In the context, bytes.
        size: Of the load, bytes (1, 2, 4 or 8).
        signed: Of the integer.
        trusted: A BTF pointer that the verifier lets a program load through.
        user: A pointer into user memory (``__user``).
        member: For ArgFrom.REGS, such as ``di``.
        ctype: C type as text, for messages and anonymous events.
        data_loc: A tracepoint's __data_loc word: offset (low 16) and length (high 16) of the
            data inside the record; the argument's value is then a pointer to the data.
        array: Number of bytes when the argument is an array or a struct passed by value that
            lies in the context itself; its value is then a KERNEL pointer to ctx + offset (probe
            reads through it work). Else 0.
        string: A pointer to, or array of, characters that end with NUL.
        pointee: BTF struct that a pointer points to where `type_id` is 0, else 0.
        field: Set where the context is a BTF struct (a tracepoint's record): load this member of
            it, CO-RE relocated, instead of at the fixed `offset`.
        deref: For MEMORY.
        why: For NOWHERE.
    """

    name: str
    type_id: int = 0
    offset: int = 0
    size: int = 8
    signed: bool = False
    trusted: bool = False
    user: bool = False
    where: ArgFrom = ArgFrom.CTX
    member: str = ""
    ctype: str = ""
    data_loc: bool = False
    array: int = 0
    string: bool = False
    pointee: int = 0
    field: FieldRef | None = None
    deref: Deref | None = None
    why: str = ""


FUNCTION = "(function)"
"""Name of the argument by which a program on many targets tells them apart: a number. No name in C
or Python can be it."""


class Guard(msgspec.Struct, frozen=True):
    """A test before everything else, the ledger too: where it fails the run never happened.

    Passes where ``source & mask == value``, both as 64-bit numbers; or, with `others`, where it is
    any of these (or none of them, with `absent`).
    """

    source: ArgumentSource
    value: int
    mask: int = 0xFFFF_FFFF_FFFF_FFFF
    others: tuple[int, ...] = ()
    absent: bool = False


C = "c"
"""Kind of the programs of C text: they have C's meaning, and loops are unrolled as C compilers do."""


ITERATOR = "iter"
"""Kind of the programs that the kernel runs for each element of a table while somebody reads a file:
their records go into that file."""


class Holds(Enum):
    """What a word of a context is for the verifier, where it is no plain number."""

    PACKET = "packet"  # a packet's start or end: plain loads, bounded by the program's own tests
    TYPED = "typed"  # a kernel pointer that it knows by its BTF type
    OWN = "own"  # memory that may be loaded from plainly, such as a struct bpf_sock, or NULL


class ContextWord(msgspec.Struct, frozen=True):
    """What C text finds at ctx + offset; all other words are numbers.

    Attributes:
        pointee: For TYPED: BTF id of the struct.
    """

    offset: int
    holds: Holds
    pointee: int = 0


class ProgramContext(msgspec.Struct, frozen=True):
    """What a front end and the passes must know of the probe kind that a function is for.

    A probe kind fills it in; nothing in the compile tower knows a kind by name otherwise.

    Attributes:
        kind: The kind's name, for messages and metadata.
        target: What it attaches to.
        section: ELF section, libbpf's name: ``fentry/inet_listen``.
        program_type: ``enum bpf_prog_type`` without prefix, lower case.
        attach_type: ``enum bpf_attach_type`` without prefix, lower case, or ``""``.
        arguments: In order of the target's prototype.
        returns: The return value, where the program can see it.
        direct_reads: Whether the verifier knows BTF pointers here (fentry, fexit, tp_btf).
        frame: For call pairs: "" (one call per task at a time), ``ctx`` (the context's address
            tells calls apart) or a member of pt_regs (``sp``); `frame_bias` is added to it.
        numbered: A program on many functions: the number of the attachment tells apart calls with
            one frame, as a function has that ends by jumping to another (a tail call).
        syscall: The syscall's number, or -1; the test for it is in `guards`.
        guards: Tests that a program on a shared attach point makes first, in this order: the
            syscall's number, and that the caller is not a 32-bit one.
        kernel_bound: Offsets are this kernel's and no relocation mends them, so that the object
            needs ObjectMeta.btf_identity.
        words: Pointers in the context of a C program that the verifier knows.
        converted: The kernel's own context differs from what C text sees (an xdp_md, a
            __sk_buff): the verifier rewrites each load, and its address means nothing.
        user: The target is code of user space: numbers that are taken for pointers point there.
    """

    kind: str
    target: str
    section: str
    program_type: str
    attach_type: str = ""
    arguments: tuple[ArgumentSource, ...] = ()
    returns: ArgumentSource | None = None
    direct_reads: bool = False
    frame: str = ""
    frame_bias: int = 0
    numbered: bool = False
    syscall: int = -1
    guards: tuple[Guard, ...] = ()
    kernel_bound: bool = False
    words: tuple[ContextWord, ...] = ()
    converted: bool = False
    user: bool = False


class Loop(msgspec.Struct, frozen=True):
    """A loop of a function that ends after a known number of rounds at the latest.

    Attributes:
        head: Label of the block that every round begins with.
        limit: How often a round can begin (its last, in vain one not counted).
        counter: Slot of a u64 that is the number of the round at its head, from 0, and that
            nothing behind the loop reads.
    """

    head: str
    limit: int
    counter: Slot
    span: Span | None = None


class Function(msgspec.Struct, frozen=True):
    """One BPF program, or a subprogram (context is None).

    Attributes:
        blocks: The first is the entry.
        role: ``probe``, ``entry``, ``exit`` or ``follow``; entry and exit of one call probe share
            `pair` and their kept slots (same id, name, type and size).
        id: Program id (record header, ledger row); -1 for a subprogram.
        filtered: Whether the attach-time filters of the config apply to it.
        keeps: Kept slots, in the order of the kept state's layout.
        loops: Its loops; a pass that copies blocks keeps their labels.
        direct: Of a subprogram: it was cut out of a program with direct reads.
    """

    name: str
    blocks: tuple[Block, ...]
    slots: tuple[Slot, ...]
    context: ProgramContext | None = None
    role: str = "probe"
    pair: str = ""
    id: int = -1
    probe: str = ""
    filtered: bool = True
    parameters: tuple[Reg, ...] = ()
    returns: IrType | None = None
    keeps: tuple[Slot, ...] = ()
    span: Span | None = None
    loops: tuple[Loop, ...] = ()
    direct: bool = False


class Admission(msgspec.Struct, frozen=True):
    """What the program's events are held back or counted by, so that it needs code of its own.

    Attributes:
        limit_by: Parts of the key of a rate limit: of the task, or fields; None without a limit.
        aggregate_by: The same of counts of events that find the ring full; None: they are dropped.
    """

    limit_by: tuple[str, ...] | None = None
    aggregate_by: tuple[str, ...] | None = None


NO_ADMISSION = Admission()


class Program(msgspec.Struct, frozen=True):
    """Everything that becomes one object.

    Attributes:
        sources: Text of each source file that a span names; line info embeds the lines.
        data: Initial content of the read-only data section.
        tables: The maps that C text declared, as its author sees them.
        admission: What stands between an event and the ring.
    """

    name: str
    functions: tuple[Function, ...]
    schemas: tuple[SchemaMeta, ...] = ()
    sites: tuple[SiteMeta, ...] = ()
    maps: tuple[MapSpec, ...] = ()
    sources: dict[str, str] = {}
    data: bytes = b""
    arch: str = ""
    states: tuple[StateMeta, ...] = ()
    tables: tuple[TableMeta, ...] = ()
    admission: Admission = NO_ADMISSION
