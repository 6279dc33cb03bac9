"""CO-RE: make an instruction that was compiled against other types fit this kernel.

A relocation names a field, type or enumerator of the object's own BTF and asks something of it: an
offset, a size, whether it exists. The answer comes from the type of that name in the kernel's
BTF, and replaces a number in the instruction. Rules, results and refusals are those of libbpf's ``relo_core.c``.

Where a field or enumerator is missing, the instruction becomes a call of a helper that cannot exist. The
verifier never looks at it if a check such as ``bpf_core_field_exists`` guards it, and refuses the
program with ``invalid func unknown#195896080`` otherwise.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from syscast.btf import relo_spec
from syscast.btf.relo_types import Relation, name_of, same_kind
from syscast.btf.relo_value import ENUM_KINDS, FIELD_KINDS, CoreReloKind, Resolution, combine
from syscast.errors import FormatError, TargetError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.btf.ext import CoreRelo
    from syscast.btf.lookup import Btf
    from syscast.btf.relo_spec import Spec

__all__ = ["BAD_RELO", "CoreReloKind", "Relocator", "Resolution", "patch", "resolve"]

BAD_RELO = 0xBAD2310  # 195896080, reads "bad relo"

_U64 = (1 << 64) - 1
_INSN = struct.Struct("<BBhi")
_INSN_SIZE = 8
_CLASS_LD, _CLASS_LDX, _CLASS_ST, _CLASS_STX, _CLASS_ALU, _CLASS_ALU64 = 0, 1, 2, 3, 4, 7
_CLASS_MASK = 0x07
_SIZE_MASK = 0x18
_SOURCE_REGISTER = 0x08
_LD_IMM64 = 0x18
_CALL = 0x85
_SIZE_OF = {0x18: 8, 0x00: 4, 0x08: 2, 0x10: 1}
_CODE_OF = {size: code for code, size in _SIZE_OF.items()}


class Relocator:
    """Resolves the relocations of one object.

    Keeps the candidates of each root type, less those that an earlier relocation ruled out.
    """

    def __init__(self, local: Btf, targets: Sequence[Btf]) -> None:
        """Prepare.

        Args:
            local: The object's BTF.
            targets: The kernel's BTF first, then its modules'. Modules are asked only for
                types that the kernel proper does not have.
        """
        self._local = local
        self._targets = targets
        self._candidates: dict[int, list[tuple[Btf, int]]] = {}

    def resolve(self, relo: CoreRelo) -> Resolution:
        """Answer one relocation.

        Raises:
            FormatError: The relocation does not fit the local types.
            TargetError: Types of the same name give different answers.
        """
        try:
            kind = CoreReloKind(relo.kind)
        except ValueError:
            raise FormatError(f"btf relocation: parse: kind {relo.kind} is not known") from None
        access = self._local.string(relo.access_str_off)
        spec = _parse(self._local, relo.type_id, access, kind)
        if kind == CoreReloKind.TYPE_ID_LOCAL:
            return Resolution(kind, "", relo.type_id, relo.type_id, validate=False)
        if not name_of(self._local.type(relo.type_id)):
            raise FormatError(f"btf relocation '{access}': resolve: its type has no name")
        return self._decide(spec, kind)

    def _decide(self, spec: Spec, kind: CoreReloKind) -> Resolution:
        candidates = self._find(spec.root_id)
        best: Resolution | None = None
        best_spec = spec
        matching = []
        for btf, type_id in candidates:
            found = _match(spec, kind, btf, type_id)
            if found is None:
                continue
            made = combine(spec, found, kind)
            if best is None:
                best, best_spec = made, found
            elif found.bit_offset != best_spec.bit_offset or (made.poison, made.value) != (
                best.poison,
                best.value,
            ):
                raise TargetError(
                    f"relocation '{spec}': resolve: types of the same name give different answers:"
                    f" {best.value} in '{best.target}' (id {best.target_id}),"
                    f" {made.value} in '{btf.name}' (id {type_id})"
                )
            matching.append((btf, type_id))
        if best is None:
            return combine(spec, None, kind)
        self._candidates[spec.root_id] = matching
        return best

    def _find(self, root_id: int) -> list[tuple[Btf, int]]:
        found = self._candidates.get(root_id)
        if found is not None:
            return found
        local = self._local.type(root_id)
        name = name_of(local)
        found = []
        for number, btf in enumerate(self._targets):
            if number == 1 and found:
                break
            found += [
                (btf, type_id)
                for type_id in btf.candidates(name)
                if same_kind(local, btf.type(type_id))
            ]
        self._candidates[root_id] = found
        return found


def resolve(local: Btf, relo: CoreRelo, targets: Sequence[Btf]) -> Resolution:
    """Answer a single relocation; see ``Relocator.resolve``."""
    return Relocator(local, targets).resolve(relo)


def patch(insns: bytearray, index: int, resolution: Resolution) -> None:
    """Change one instruction in place.

    Args:
        insns: Instructions, 8 bytes each, little-endian.
        index: The number of the instruction.
        resolution: What to change it to.

    Raises:
        FormatError: The instruction is not one that can be relocated, or does not hold the
            number that the compiler should have left in it.
    """
    try:
        code, registers, offset, immediate = _INSN.unpack_from(insns, index * _INSN_SIZE)
    except struct.error:
        raise _refusal(resolution, index, "it is not there") from None
    insn_class = code & _CLASS_MASK
    if resolution.poison:
        _poison(insns, index)
    elif code == _LD_IMM64:
        _patch_wide(insns, index, resolution)
    elif insn_class in {_CLASS_ALU, _CLASS_ALU64} and not code & _SOURCE_REGISTER:
        _check(resolution, index, immediate)
        value = _to_immediate(resolution, index, narrow=insn_class == _CLASS_ALU)
        _INSN.pack_into(insns, index * _INSN_SIZE, code, registers, offset, value)
    elif insn_class in {_CLASS_LDX, _CLASS_ST, _CLASS_STX}:
        _check(resolution, index, offset)
        if resolution.value > 0x7FFF:
            raise _refusal(resolution, index, f"offset {resolution.value} does not fit")
        if not resolution.resizable:
            _poison(insns, index)
            return
        code = _resize(code, resolution, index)
        where = index * _INSN_SIZE
        _INSN.pack_into(insns, where, code, registers, resolution.value, immediate)
    else:
        raise _refusal(resolution, index, f"code {code:#04x} cannot be relocated")


def _patch_wide(insns: bytearray, index: int, resolution: Resolution) -> None:
    where = index * _INSN_SIZE
    if len(insns) < where + 2 * _INSN_SIZE:
        raise _refusal(resolution, index, "its second half is missing")
    code, registers, offset, low = _INSN.unpack_from(insns, where)
    second = _INSN.unpack_from(insns, where + _INSN_SIZE)
    if registers >> 4 or offset or any(second[:3]):
        raise _refusal(resolution, index, "it loads something else than a number")
    _check(resolution, index, low & 0xFFFFFFFF | (second[3] & 0xFFFFFFFF) << 32)
    low, high = struct.unpack("<ii", resolution.value.to_bytes(8, "little"))
    _INSN.pack_into(insns, where, code, registers, 0, low)
    _INSN.pack_into(insns, where + _INSN_SIZE, 0, 0, 0, high)


def _poison(insns: bytearray, index: int) -> None:
    where = index * _INSN_SIZE
    halves = 2 if insns[where] == _LD_IMM64 and len(insns) >= where + 2 * _INSN_SIZE else 1
    for half in range(halves):
        _INSN.pack_into(insns, where + half * _INSN_SIZE, _CALL, 0, 0, BAD_RELO)


def _check(resolution: Resolution, index: int, found: int) -> None:
    if resolution.validate and found & _U64 != resolution.original:
        raise _refusal(resolution, index, f"it holds {found}, not {resolution.original}")


def _to_immediate(resolution: Resolution, index: int, *, narrow: bool) -> int:
    """Return the value as a signed 32-bit immediate, which a 64-bit instruction extends."""
    value = resolution.value
    signed = value - (1 << 64) if value >> 63 else value
    if narrow and 1 << 31 <= value < 1 << 32:
        signed = value - (1 << 32)
    if not -(1 << 31) <= signed < 1 << 31:
        raise _refusal(resolution, index, f"{value:#x} does not fit")
    return signed


def _resize(code: int, resolution: Resolution, index: int) -> int:
    if resolution.size == resolution.original_size:
        return code
    if _SIZE_OF[code & _SIZE_MASK] != resolution.original_size:
        raise _refusal(resolution, index, f"it is not {resolution.original_size} bytes wide")
    if resolution.size not in _CODE_OF:
        raise _refusal(resolution, index, f"nothing is {resolution.size} bytes wide")
    return code & ~_SIZE_MASK | _CODE_OF[resolution.size]


def _refusal(resolution: Resolution, index: int, cause: str) -> FormatError:
    return FormatError(f"relocation '{resolution.text}': patch: instruction {index}: {cause}")


def _parse(local: Btf, root_id: int, access: str, kind: CoreReloKind) -> Spec:
    if kind in FIELD_KINDS:
        return relo_spec.parse_field(local, root_id, access)
    if kind in ENUM_KINDS:
        return relo_spec.parse_enumerator(local, root_id, access)
    if access != "0":
        raise FormatError(f"btf relocation '{access}': parse: a type has no fields to access")
    return relo_spec.Spec(local, root_id)


def _match(spec: Spec, kind: CoreReloKind, btf: Btf, type_id: int) -> Spec | None:
    if kind in FIELD_KINDS:
        return relo_spec.match_field(spec, btf, type_id)
    if kind in ENUM_KINDS:
        return relo_spec.match_enumerator(spec, btf, type_id)
    relation = Relation(spec.btf, btf)
    strict = kind == CoreReloKind.TYPE_MATCHES
    agrees = (relation.matches if strict else relation.compatible)(spec.root_id, type_id)
    return relo_spec.Spec(btf, type_id) if agrees else None
