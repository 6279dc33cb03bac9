"""Answer what an object leaves open about the kernel: types, fields, functions, symbols.

CO-RE relocations, the BTF ids that programs attach to and the kernel's functions that they call
are all looked up in BTF. The answers depend on the object and on the kernel alone, so that they
can be kept (`loader.cache`).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import msgspec

from syscast.asm.opcodes import BPF_PSEUDO_BTF_ID, BPF_PSEUDO_KFUNC_CALL, CALL
from syscast.btf.types import Func, Typedef, Var
from syscast.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from syscast.btf.lookup import Btf
    from syscast.btf.relocate import Relocator, Resolution
    from syscast.btf.types import Kind
    from syscast.spec.objectspec import CoreRelo, ExternRef, ObjectSpec, ProgramSpec

_SLOT = 8
_INSN = struct.Struct("<BBhi")
_RINGBUF = "BPF_FUNC_ringbuf_reserve"
_ENUMVAL_EXISTS = 10  # enum bpf_core_relo_kind
_POISONED_KFUNC = 2002000000  # POISON_CALL_KFUNC_BASE of libbpf: a helper that cannot exist

# What stands before a target's name in BTF, by attach type (include/linux/bpf.h, btf.c).
_PREFIXES: dict[str, tuple[str, Kind]] = {
    "trace_raw_tp": ("btf_trace_", Typedef),
    "trace_iter": ("bpf_iter_", Func),
    "lsm_mac": ("bpf_lsm_", Func),
    "lsm_cgroup": ("bpf_lsm_", Func),
}
_ATTACHED_BY_ID = frozenset({"tracing", "lsm"})


class Resolved(msgspec.Struct, frozen=True, array_like=True):
    """One program with everything answered.

    Attributes:
        insns: Relocated, but for map descriptors.
        attach_btf_id: Of the target, 0 where the program's type has none.
        attach_module: The module that the id belongs to, ``""`` for the kernel.
        kfunc_modules: Modules of called functions; a call's offset counts them from 1.
        symbol_modules: Index of LD_IMM64s, and the module of the symbol that they name.
    """

    insns: bytes
    attach_btf_id: int = 0
    attach_module: str = ""
    kfunc_modules: tuple[str, ...] = ()
    symbol_modules: tuple[tuple[int, str], ...] = ()


class Resolver:
    """Resolves the programs of one object.

    Attributes:
        used_modules: Whether an answer came from modules or addresses, which a restart changes.
    """

    def __init__(
        self, spec: ObjectSpec, kernel: Btf, *, modules: bool, ringbuf: bool | None = None
    ) -> None:
        """Prepare.

        Args:
            spec: The object.
            kernel: The kernel's BTF.
            modules: Whether it is the running kernel, whose modules may be asked as well.
            ringbuf: What to answer whether the ring buffer exists; None asks BTF.
        """
        self._spec = spec
        self._kernel = kernel
        self._modules = _Modules(self, kernel, on=modules)
        self._ringbuf = ringbuf
        self._relocators: dict[bool, Relocator] = {}
        self._local: Btf | None = None
        self._strings = b""
        self.used_modules: bool = False

    def program(self, program: ProgramSpec) -> Resolved:
        """Resolve one program.

        Raises:
            TargetError: What it attaches to or calls is not in this kernel.
            FormatError: Its relocations do not fit its types.
        """
        insns = bytearray(program.insns)
        for relo in program.core_relos:
            self._core(insns, relo, program.name)
        kfuncs: list[str] = []
        symbols: list[tuple[int, str]] = []
        for extern in program.externs:
            self._extern(insns, extern, kfuncs, symbols)
        btf_id, module = self._target(program)
        return Resolved(bytes(insns), btf_id, module, tuple(kfuncs), tuple(symbols))

    def _core(self, insns: bytearray, relo: CoreRelo, name: str) -> None:
        # 8 ms that a start with kept answers does without.
        from syscast.btf import ext, relocate  # noqa: PLC0415

        relocator = self._relocator_for(relo.type_id)
        position = self._strings.find(relo.access.encode() + b"\0")
        try:
            resolution = relocator.resolve(
                ext.CoreRelo(relo.insn * _SLOT, relo.type_id, position, relo.kind)
            )
        except TargetError as error:
            raise TargetError(f"program '{name}': {error}") from None
        relocate.patch(insns, relo.insn, self._forced(resolution))

    def _relocator_for(self, type_id: int) -> Relocator:
        """One that asks the kernel alone, or its modules too where it lacks the type."""
        from syscast.btf.relocate import Relocator  # noqa: PLC0415 - see above

        local = self._local or self._parse_local()
        name = getattr(local.type(type_id), "name", "")
        # Nobody asks modules for a type that the kernel has, or that has no name.
        in_kernel = not name or next(self._kernel.candidates(name), None) is not None
        relocator = self._relocators.get(in_kernel)
        if relocator is None:
            targets = (self._kernel,) if in_kernel else tuple(self._modules)
            relocator = self._relocators[in_kernel] = Relocator(local, targets)
        return relocator

    def _parse_local(self) -> Btf:
        self._local, self._strings = _local(self._spec)
        return self._local

    def _forced(self, resolution: Resolution) -> Resolution:
        """The existence of the ring buffer is the loader's choice, see ``maps.choose_ring``."""
        if (
            self._ringbuf is None
            or resolution.kind != _ENUMVAL_EXISTS
            or resolution.text.rpartition(".")[2].partition("___")[0] != _RINGBUF
        ):
            return resolution
        return type(resolution)(
            *(resolution.kind, resolution.text, resolution.original, int(self._ringbuf)),
            poison=False,
            validate=resolution.validate,
        )

    def _target(self, program: ProgramSpec) -> tuple[int, str]:
        if program.type not in _ATTACHED_BY_ID:
            return 0, ""
        module, colon, name = program.target.rpartition(":")
        prefix, kind = _PREFIXES.get(program.attach_type, ("", Func))
        if not name:
            raise TargetError(
                f"program '{program.name}': load: section '{program.section}' names no target"
            )
        for btf in self._modules.named(module) if colon else self._modules:
            btf_id = btf.find(prefix + name, kind)
            if btf_id is not None:
                return btf_id, "" if btf is self._kernel else btf.name
        names = [near.removeprefix(prefix) for near in self._kernel.near(prefix + name, kind)]
        where = f"of module '{module}'" if colon else "of this kernel"
        what = "tracepoint" if kind is Typedef else "function"
        raise TargetError(
            f"program '{program.name}': load: there is no {what} '{name}' in the BTF {where}",
            names,
        )

    def _extern(
        self,
        insns: bytearray,
        extern: ExternRef,
        kfuncs: list[str],
        symbols: list[tuple[int, str]],
    ) -> None:
        at = extern.insn * _SLOT
        if extern.kind == "address":
            self.used_modules = True
            _put_wide(insns, at, 0, _address(extern))
            return
        kinds: tuple[Kind, ...] = (Func,) if extern.kind == "kfunc" else (Var, Func)
        found = self._find(extern.name, kinds)
        if found is None and not extern.weak:
            raise TargetError(
                f"symbol '{extern.name}': link: it is not in the BTF of this kernel (declare it "
                f"__weak if the program can do without)",
                self._kernel.near(extern.name, kinds[0]),
            )
        btf_id, module = found or (0, "")
        if extern.kind == "kfunc":
            _put_call(insns, at, btf_id, _number(kfuncs, module))
            return
        _put_wide(insns, at, BPF_PSEUDO_BTF_ID if found else 0, btf_id)
        if module:
            symbols.append((extern.insn, module))

    def _find(self, name: str, kinds: tuple[Kind, ...]) -> tuple[int, str] | None:
        for btf in self._modules:
            for kind in kinds:
                btf_id = btf.find(name, kind)
                if btf_id is not None:
                    return btf_id, "" if btf is self._kernel else btf.name
        return None


class _Modules:
    """The kernel's BTF, then that of its modules, which are read only when asked for."""

    def __init__(self, resolver: Resolver, kernel: Btf, *, on: bool) -> None:
        self._resolver = resolver
        self._kernel = kernel
        self._on = on

    def __iter__(self) -> Iterator[Btf]:
        yield self._kernel
        if self._on:
            from syscast.btf import source  # noqa: PLC0415 - only when the kernel lacks it

            self._resolver.used_modules = True
            for name in source.modules():
                try:
                    yield source.module(name)
                except TargetError:  # unloaded meanwhile
                    continue

    def named(self, name: str) -> Sequence[Btf]:
        """The BTF of one module, ``vmlinux`` for the kernel's."""
        if name in {"", "vmlinux"}:
            return (self._kernel,)
        from syscast.btf import source  # noqa: PLC0415 - few programs name a module

        self._resolver.used_modules = True
        return (source.module(name),)


def _local(spec: ObjectSpec) -> tuple[Btf, bytes]:
    """The object's own BTF and its strings."""
    from syscast.btf.lookup import Btf  # noqa: PLC0415 - kept answers do without

    raw = spec.btf
    header, _, _, start, size = struct.unpack_from("<5I", raw.ljust(24, b"\0"), 4)
    strings = raw[header + start : header + start + size]
    return Btf.from_bytes(raw, name=spec.name), strings


def describe(spec: ObjectSpec, relo: CoreRelo) -> str:
    """What a relocation asks about, as C would write it: ``struct sock.sk_rcvbuf``."""
    from syscast.btf import ext, relocate  # noqa: PLC0415 - only when refused

    local, strings = _local(spec)
    position = strings.find(relo.access.encode() + b"\0")
    asked = ext.CoreRelo(relo.insn * _SLOT, relo.type_id, position, relo.kind)
    return relocate.Relocator(local, ()).resolve(asked).text


def _number(modules: list[str], module: str) -> int:
    """Which entry of ``fd_array`` a module gets; 0 is the kernel."""
    if not module:
        return 0
    if module not in modules:
        modules.append(module)
    return modules.index(module) + 1


def _put_call(insns: bytearray, at: int, btf_id: int, module: int) -> None:
    if btf_id:
        _INSN.pack_into(insns, at, CALL, BPF_PSEUDO_KFUNC_CALL << 4, module, btf_id)
    else:
        _INSN.pack_into(insns, at, CALL, 0, 0, _POISONED_KFUNC)


def _put_wide(insns: bytearray, at: int, pseudo: int, value: int) -> None:
    """Set what an LD_IMM64 loads."""
    opcode, registers, _, _ = _INSN.unpack_from(insns, at)
    struct.pack_into(
        "<BBhI", insns, at, opcode, registers & 0xF | pseudo << 4, 0, value & 0xFFFFFFFF
    )
    struct.pack_into("<I", insns, at + _SLOT + 4, value >> 32)


def _address(extern: ExternRef) -> int:
    """The address of a kernel symbol, from /proc/kallsyms."""
    wanted = extern.name.encode()
    try:
        with open("/proc/kallsyms", "rb") as lines:  # noqa: PTH123 - pathlib costs 5 ms
            for line in lines:
                fields = line.split(None, 3)
                if len(fields) > 2 and fields[2] == wanted:
                    value = int(fields[0], 16)
                    if value:
                        return value
                    raise TargetError(
                        f"symbol '{extern.name}': link: the kernel hides its addresses (CAP_SYSLOG "
                        f"is missing, or kernel.kptr_restrict is 2)"
                    )
    except OSError:
        pass
    if extern.weak:
        return 0
    raise TargetError(f"symbol '{extern.name}': link: it is not in /proc/kallsyms")
