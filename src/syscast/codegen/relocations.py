"""CO-RE relocated numbers as LLVM's back end wants them.

Each is a load of an external global whose name holds the kind, the number in the BTF compiled
against and the access string; the metadata gives the root type. This is the form that LLVM's pass
BPFAbstractMemberAccess makes (llvm/lib/Target/BPF); making it here needs no C-like types in the IR.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.btf import types
from syscast.codegen.metadata import quoted
from syscast.errors import InternalError
from syscast.ir import ops
from syscast.ir.ops import RelocKind

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.codegen.debuginfo import DebugInfo
    from syscast.ir.ops import FieldRef, Op
    from syscast.ir.program import Program

_TYPE_KINDS = {RelocKind.TYPE_EXISTS, RelocKind.TYPE_SIZE, RelocKind.TYPE_MATCHES}
_TYPE_ID_KINDS = {RelocKind.TYPE_ID_LOCAL, RelocKind.TYPE_ID_TARGET}


class Relocations:
    """The relocated numbers of one module."""

    def __init__(self, debug: DebugInfo, btf: Btf) -> None:
        self._debug = debug
        self._btf = btf
        self._globals: dict[str, str] = {}
        self._type_ids = 0

    def note(self, program: Program) -> None:
        """Tell the debug info which members the program uses."""
        for function in program.functions:
            for block in function.blocks:
                for op in block.ops:
                    self._note_op(op)

    def _note_op(self, op: Op) -> None:
        match op:
            case ops.FieldLoad() | ops.FieldAddr():
                self._debug.note_field(op.field)
            case ops.Reloc(field=field) if field is not None:
                self._debug.note_field(field)
            case ops.HelperExists():
                self._debug.note_enumerator(op.name)
            case _:
                pass

    def relocatable(self, field: FieldRef) -> bool:
        """Whether the root has a name that another kernel could be asked for."""
        root = self._btf.type(self._btf.resolve(field.root))
        return isinstance(root, types.Struct) and bool(root.name)

    def field(self, field: FieldRef, kind: RelocKind) -> str:
        """The global of a member's number."""
        node = self._debug.kernel_type(field.root)
        number = self._field_number(field, kind)
        return self._global(f"{kind.value}:{number}${self._debug.access(field)}", field.root, node)

    def helper(self, name: str) -> str:
        """The global that is 1 where ``enum bpf_func_id`` has a helper."""
        node, index = self._debug.helper_enum(name)
        return self._global(f"{RelocKind.ENUMVAL_EXISTS.value}:1${index}", "bpf_func_id", node)

    def other(self, op: ops.Reloc) -> str:
        """The global of a type's or enumerator's number."""
        if op.kind in _TYPE_KINDS:
            node = self._debug.kernel_type(op.type_id)
            number = self._btf.size_of(op.type_id) if op.kind is RelocKind.TYPE_SIZE else 1
            return self._global(f"{op.kind.value}:{number}$0", op.type_id, node)
        if op.kind in _TYPE_ID_KINDS:
            node = self._debug.kernel_type(op.type_id)
            name = f"llvm.btf_type_id.{self._type_ids}${op.kind.value}"
            self._type_ids += 1
            self._globals[name] = f"external global i64, !llvm.preserve.access.index {node} #2"
            return f"@{quoted(name)}"
        node, index, value = self._debug.enum_value(op.type_id, op.enumerator)
        number = 1 if op.kind is RelocKind.ENUMVAL_EXISTS else value
        key = f"{op.type_id}.{op.enumerator}"
        return self._global(f"{op.kind.value}:{number}${index}", key, node)

    def lines(self) -> list[str]:
        """The declarations of the globals."""
        return [f"@{quoted(name)} = {text}" for name, text in self._globals.items()]

    def _global(self, pattern: str, root: int | str, node: str) -> str:
        name = f"llvm.{root}:{pattern}"
        self._globals[name] = f"external global i64, !llvm.preserve.access.index {node} #1"
        return f"@{quoted(name)}"

    def _field_number(self, field: FieldRef, kind: RelocKind) -> int:
        """What the number is in the BTF compiled against; libbpf compares ordinary ones."""
        size = self._btf.size_of(field.type_id)
        unit, byte_offset = size, field.bit_offset // 8
        if field.bitfield_size:
            unit, byte_offset = storage(field, size)
        match kind:
            case RelocKind.FIELD_BYTE_OFFSET:
                return byte_offset
            case RelocKind.FIELD_BYTE_SIZE:
                return unit
            case RelocKind.FIELD_EXISTS:
                return 1
            case RelocKind.FIELD_SIGNED:
                found = self._btf.type(self._btf.resolve(field.type_id))
                return int(isinstance(found, types.Int | types.Enum) and found.signed)
            case RelocKind.FIELD_LSHIFT_U64:
                bits = field.bitfield_size or size * 8
                return 64 - (field.bit_offset - byte_offset * 8 + bits)
            case RelocKind.FIELD_RSHIFT_U64:
                return 64 - (field.bitfield_size or size * 8)
            case _:
                raise InternalError(
                    f"field '{field.name}': relocation {kind.name} is not a field's"
                )


def storage(field: FieldRef, type_size: int) -> tuple[int, int]:
    """Bytes and offset of the aligned unit that holds a bit field, as libbpf finds it."""
    unit = type_size
    offset = field.bit_offset // 8 // unit * unit
    while field.bit_offset + field.bitfield_size - offset * 8 > unit * 8:
        unit *= 2
        offset = field.bit_offset // 8 // unit * unit
    return unit, offset
