"""Programs, maps and relocations as plain values."""

from __future__ import annotations

import msgspec

# A msgspec type is resolved at run time, so this import cannot move under TYPE_CHECKING.
from syscast.spec.meta import ObjectMeta


class CoreRelo(msgspec.Struct, frozen=True, array_like=True):
    """One CO-RE relocation (struct bpf_core_relo in uapi/linux/bpf.h).

    Attributes:
        insn: Index of the instruction inside its program (LD_IMM64 counts as two).
        type_id: Root type in the object's own BTF.
        access: Access string, such as ``0:1:2``, or an enumerator's index.
        kind: ``enum bpf_core_relo_kind``.
    """

    insn: int
    type_id: int
    access: str
    kind: int


class MapRef(msgspec.Struct, frozen=True, array_like=True):
    """An LD_IMM64 that names a map.

    Attributes:
        insn: Index of the first of the two instruction slots.
        map: The map's name.
        offset: Offset into the map's only value for data sections, else -1 (the map itself).
    """

    insn: int
    map: str
    offset: int = -1


class ExternRef(msgspec.Struct, frozen=True, array_like=True):
    """An instruction that names something in the kernel (``__ksym``).

    Attributes:
        insn: Index of the call, or of the first slot of the LD_IMM64.
        name: The kernel's symbol, without a flavour (``___x``).
        kind: ``kfunc`` (a call), ``typed`` (a variable or function with BTF) or ``address`` (of
            a symbol in kallsyms).
        weak: Missing is not an error: the program tests for it.
    """

    insn: int
    name: str
    kind: str
    weak: bool = False


class KconfigVar(msgspec.Struct, frozen=True, array_like=True):
    """A variable whose value the loader takes from the kernel's configuration.

    Attributes:
        name: ``CONFIG_HZ``, ``LINUX_KERNEL_VERSION`` or another of libbpf's.
        offset: In the map ``.kconfig``.
        size: Bytes.
        kind: ``bool``, ``tristate``, ``char``, ``int`` or ``string``.
        signed: Of an ``int``.
        weak: Missing gives 0.
    """

    name: str
    offset: int
    size: int
    kind: str
    signed: bool = False
    weak: bool = False


class FuncInfo(msgspec.Struct, frozen=True, array_like=True):
    """BTF function at an instruction (struct bpf_func_info)."""

    insn: int
    type_id: int


class LineInfo(msgspec.Struct, frozen=True, array_like=True):
    """Source line of an instruction (struct bpf_line_info), resolved to text."""

    insn: int
    file_off: int
    text_off: int
    line: int
    column: int


class MapSpec(msgspec.Struct, frozen=True):
    """One map to create.

    Attributes:
        type: ``enum bpf_map_type`` without its prefix, lower case: ``ringbuf``, ``hash``.
        key_type_id: BTF of the key in the object's own BTF, 0 where there is none.
        initial: Content of a data section's only value, zeros behind it; None for ordinary maps.
        read_only: Frozen after its content is written, so that the verifier knows its values.
        extra: Further parameter of some types (``map_extra``).
        inner: Model of the maps inside a map of maps.
        slots: Index and name of the maps or programs that fill it from the start.
    """

    name: str
    type: str
    key_size: int = 0
    value_size: int = 0
    max_entries: int = 0
    flags: int = 0
    key_type_id: int = 0
    value_type_id: int = 0
    initial: bytes | None = None
    read_only: bool = False
    extra: int = 0
    inner: MapSpec | None = None
    slots: tuple[tuple[int, str], ...] = ()


class ProgramSpec(msgspec.Struct, frozen=True):
    """One program to load.

    Attributes:
        section: The ELF section it came from: ``fentry/inet_listen``.
        type: ``enum bpf_prog_type`` without its prefix, lower case: ``kprobe``, ``tracing``.
        attach_type: ``enum bpf_attach_type`` without its prefix, lower case, or ``""``.
        target: What the section name says to attach to, such as ``inet_listen``.
        insns: Instructions, 8 bytes each, subprograms appended and calls resolved.
    """

    name: str
    section: str
    type: str
    attach_type: str
    target: str
    insns: bytes
    map_refs: tuple[MapRef, ...] = ()
    core_relos: tuple[CoreRelo, ...] = ()
    func_infos: tuple[FuncInfo, ...] = ()
    line_infos: tuple[LineInfo, ...] = ()
    sleepable: bool = False
    externs: tuple[ExternRef, ...] = ()


class ObjectSpec(msgspec.Struct, frozen=True):
    """A whole BPF object.

    Attributes:
        btf: Raw .BTF of the object, ``b""`` where it has none.
        meta: What syscast's own objects say of themselves; None for others' objects.
    """

    name: str
    license: str
    programs: tuple[ProgramSpec, ...]
    maps: tuple[MapSpec, ...]
    btf: bytes = b""
    meta: ObjectMeta | None = None
    kconfig: tuple[KconfigVar, ...] = ()

    def encode(self) -> bytes:
        """Serialise; equal specs give equal bytes."""
        return msgspec.msgpack.encode(self)

    @classmethod
    def decode(cls, data: bytes) -> ObjectSpec:
        """Read what `encode` wrote; raises msgspec.ValidationError on anything else."""
        return msgspec.msgpack.decode(data, type=cls)
