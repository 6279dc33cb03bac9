"""From an ``ObjectSpec`` to programs and maps in the kernel.

Everything happens in one go: either all programs of the object are loaded, or nothing stays. The
order is the one that the kernel needs: BTF, maps with their content, read-only maps frozen, then
the programs, which name the maps by descriptor.
"""

from __future__ import annotations

from errno import E2BIG, ENOSPC
from struct import pack, pack_into
from typing import TYPE_CHECKING

import msgspec

from syscast.asm.opcodes import BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_VALUE, CALL, LD_IMM64
from syscast.errors import (
    FormatError,
    KernelError,
    UsageError,
    VerifierError,
)
from syscast.kernel import bpfprogs
from syscast.kernel.bpfprogs import ProgAttr
from syscast.loader import cache
from syscast.loader.config import configured
from syscast.loader.loaded import LoadedMap, LoadedObject, LoadedProgram, slot
from syscast.loader.maps import ONE, MapMaker, choose_ring, with_memlock
from syscast.loader.resolve import Resolved, Resolver
from syscast.spec.meta import EVENTS_MAP, SHARDS_MAP
from syscast.spec.numbers import ATTACH_TYPES, PROGRAM_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from syscast.btf.lookup import Btf
    from syscast.btf.strip import Unsupported
    from syscast.kernel.descriptors import Fd
    from syscast.loader.maps import RingChoice
    from syscast.spec.objectspec import ObjectSpec, ProgramSpec

_SLOT = 8
_MAX_LENGTH = 4096  # BPF_MAXINSNS: what kernels take of everybody
_NOT_BY_DEFAULT = "?"
_NOT_TRACING = frozenset({"ext", "struct_ops"})  # they replace functions of others
_UNSUPPORTED: tuple[Unsupported, ...] = (
    *("func", "func_global", "datasec", "qmark_datasec", "float", "decl_tag", "type_tag"),
    "enum64",
)

# Helpers that older kernels have only in the form that guesses the address space, as in
# libbpf's bpf_object__sanitize_prog: probe_read_user and probe_read_kernel become probe_read,
# their _str forms probe_read_str.
_OLDER_HELPERS = {112: 4, 113: 4, 114: 45, 115: 45}
_NEEDS_KNOWN_SPACE = "helper_probe_read_kernel"


def load(  # noqa: PLR0913  (each is a wish of its own, given by name)
    spec: ObjectSpec,
    *,
    config: Mapping[str, int | bytes] | None = None,
    btf: Btf | None = None,
    ring_size: int = 0,
    force_perf: bool = False,
    rings: str = ONE,
    overwrite: bool = False,
    overrides: Mapping[str, ProgramSpec] | None = None,
    shared: Mapping[str, LoadedMap] | None = None,
) -> LoadedObject:
    """Load an object.

    Args:
        spec: The object.
        config: Values for its config or its read-only variables, by name.
        btf: BTF of the kernel to relocate for; the running one's by default.
        ring_size: Bytes of the ring ``events``, rounded up to a power of two of pages; 0 takes
            what the object says, or 4 MiB. Perf rings share it.
        force_perf: Use perf rings even where the kernel has the ring buffer.
        rings: ``one``, ``per-cpu`` or ``auto``: room for a ring of each CPU, which
            `syscast.loader.shards` makes.
        overwrite: A full ring loses its oldest records instead of the newest; perf rings are told so by who
            opens them.
        overrides: Programs, by name, to load in place of the object's: the same code as another
            type, attach type or target. Programs whose section starts with ``?`` are loaded only
            if they are named here.
        shared: Maps that exist already, by the object's names for them; it uses them and gets
            descriptors of its own.

    Raises:
        PermissionDeniedError: The message names the capability.
        VerifierError: The verifier refused a program; the message shows the source line.
        NotSupportedError: The kernel lacks what the object needs.
        TargetError: What a program attaches to, calls or reads is not in this kernel.
        UsageError: Values that do not fit.
        FormatError: The object contradicts itself.
        KernelError: Any other refusal.
    """
    job = _Load(spec, overrides or {}, force_perf=force_perf)
    job.rings, job.overwrite = rings, overwrite
    return job.run(config or {}, btf, ring_size, shared or {})


def verify(spec: ObjectSpec, program: ProgramSpec, *, level: int, force_perf: bool = False) -> str:
    """Load one program with its maps, unload it, and give the verifier's log.

    Args:
        spec: The object.
        program: One of its programs, or the same code as another type.
        level: As for `syscast.kernel.bpfprogs.prog_load_verbose`; 4 instead where the log of a
            large program would not fit.
        force_perf: As for `load`.

    Raises:
        KernelError: As for `load`.
    """
    alone = msgspec.structs.replace(spec, programs=(program,))
    job = _Load(alone, {program.name: program}, force_perf=force_perf)
    job.level = level
    job.run({}, None, 0, {}).close()
    return job.log


class _Load:
    """One load: what exists so far, so that it can be closed if the rest fails."""

    def __init__(
        self, spec: ObjectSpec, overrides: Mapping[str, ProgramSpec], *, force_perf: bool
    ) -> None:
        self._spec = spec
        self._programs = _chosen(spec, overrides)
        self._force_perf = force_perf
        self._maps: dict[str, LoadedMap] = {}
        self._loaded: dict[str, LoadedProgram] = {}
        self._modules: dict[str, Fd] = {}
        self._btf: Fd | None = None
        self._with_functions = True
        self.level = 0
        self.log = ""
        self.rings = ONE
        self.overwrite = False

    def run(
        self,
        values: Mapping[str, int | bytes],
        kernel: Btf | None,
        ring_size: int,
        shared: Mapping[str, LoadedMap],
    ) -> LoadedObject:
        specs = configured(self._spec, values)
        ring = choose_ring(
            specs,
            ring_size,
            force_perf=self._force_perf,
            rings=self.rings if self._ours else ONE,
            overwrite=self.overwrite,
        )
        if self._ours and not ring.cpus:
            specs = tuple(each for each in specs if each.name != SHARDS_MAP)
        resolved = self._resolve(kernel, ring)
        try:
            self._load_btf()
            for name, held in shared.items():
                self._maps[name] = LoadedMap(held.fd.duplicate(), held.spec)
            MapMaker(self._spec.name, self._btf, ring).make(specs, self._maps)
            for program, answers in zip(self._programs, resolved, strict=True):
                self._load_program(program, answers)
            self._fill_program_maps()
        except BaseException:
            self._close_all()
            raise
        finally:
            # Programs and maps hold on to the BTF that they need.
            self._close_helpers()
        return LoadedObject(
            self._spec,
            self._maps,
            self._loaded,
            ring_size=ring.size,
            uses_perf=ring.perf,
        )

    @property
    def _ours(self) -> bool:
        """Whether the object is syscast's own and asks the config how to send."""
        return self._spec.meta is not None and bool(self._spec.meta.config)

    def _close_all(self) -> None:
        for program in self._loaded.values():
            program.fd.close()
        for each in self._maps.values():
            each.fd.close()

    def _close_helpers(self) -> None:
        if self._btf is not None:
            self._btf.close()
        for fd in self._modules.values():
            fd.close()

    def _resolve(self, kernel: Btf | None, ring: RingChoice) -> Sequence[Resolved]:
        needs = any(
            program.core_relos or program.externs or program.type in {"tracing", "lsm"}
            for program in self._programs
        )
        if not needs:
            return [Resolved(program.insns) for program in self._programs]
        from syscast.btf import source  # noqa: PLC0415 - objects without a question need no BTF

        running = kernel is None or kernel is source.kernel()
        target = kernel or source.kernel()
        has_ring = None if EVENTS_MAP not in {m.name for m in self._spec.maps} else not ring.perf
        path = None
        if target.key:
            name = cache.key(
                self._spec.btf,
                msgspec.msgpack.encode(self._programs),
                target.key.encode(),
                repr((has_ring, running)).encode(),
            )
            path = cache.location(name)
            kept = cache.read(path) if path else None
            if kept is not None and len(kept) == len(self._programs):
                return kept
        resolver = Resolver(self._spec, target, modules=running, ringbuf=has_ring)
        resolved = tuple(resolver.program(program) for program in self._programs)
        if path and not resolver.used_modules:
            cache.write(path, resolved)
        return resolved

    def _load_btf(self) -> None:
        """Load the object's BTF, with older kinds in place of those that this kernel refuses."""
        raw = self._spec.btf
        if not raw:
            return
        from syscast.features.probing import probe  # noqa: PLC0415 - objects without BTF

        if probe("btf").outcome == "no":
            return
        lacking = frozenset(name for name in _UNSUPPORTED if probe(f"btf_{name}").outcome == "no")
        self._with_functions = "func" not in lacking
        if lacking:
            from syscast.btf.strip import strip_for  # noqa: PLC0415 - only on older kernels

            raw = strip_for(raw, lacking)
        self._btf = with_memlock(lambda: bpfprogs.btf_load(raw, self._spec.name))

    def _load_program(self, program: ProgramSpec, answers: Resolved) -> None:
        insns = bytearray(answers.insns)
        self._put_maps(insns, program)
        for at, module in answers.symbol_modules:
            pack_into("<I", insns, at * _SLOT + _SLOT + 4, self._module(module).fileno())
        _put_older_helpers(insns)
        attr = ProgAttr(
            _number(PROGRAM_TYPES, program.type, program),
            bytes(insns),
            license=self._spec.license,
            name=program.name,
            flags=bpfprogs.F_SLEEPABLE if program.sleepable else 0,
            expected_attach_type=(
                _number(ATTACH_TYPES, program.attach_type, program) if program.attach_type else 0
            ),
            attach_btf_id=answers.attach_btf_id,
        )
        if answers.attach_module:
            attr = attr._replace(attach_btf_obj=self._module(answers.attach_module))
        if answers.kfunc_modules:
            fds = [self._module(name) for name in answers.kfunc_modules]
            attr = attr._replace(fd_array=(None, *fds))
        if self._btf is not None and self._with_functions:
            attr = attr._replace(
                btf=self._btf, func_info=_func_info(program), line_info=_line_info(program)
            )
        try:
            fd = with_memlock(lambda: bpfprogs.prog_load(attr))
        except VerifierError as error:
            from syscast.loader.verifier import explain  # noqa: PLC0415 - only when refused

            raise explain(error, self._spec, program) from None
        except KernelError as error:
            raise _explained(error, program) from None
        if self.level:
            self.log = _log_of(attr, self.level)
        self._loaded[program.name] = LoadedProgram(fd, program)

    def _put_maps(self, insns: bytearray, program: ProgramSpec) -> None:
        for ref in program.map_refs:
            found = self._maps.get(ref.map)
            if found is None and ref.map == SHARDS_MAP and self._ours:
                # Code that the config turns off; it has to name a map all the same.
                found = self._maps.get(EVENTS_MAP)
            at = ref.insn * _SLOT
            if found is None or insns[at] != LD_IMM64 or at + 2 * _SLOT > len(insns):
                raise FormatError(
                    f"program '{program.name}': link: instruction {ref.insn} names map "
                    f"'{ref.map}', which does not fit"
                )
            pseudo = BPF_PSEUDO_MAP_FD if ref.offset < 0 else BPF_PSEUDO_MAP_VALUE
            insns[at + 1] = insns[at + 1] & 0xF | pseudo << 4
            pack_into("<I", insns, at + 4, found.fd.fileno())
            pack_into("<I", insns, at + _SLOT + 4, max(ref.offset, 0))

    def _module(self, name: str) -> Fd:
        fd = self._modules.get(name)
        if fd is None:
            from syscast.kernel.bpfinfo import module_btf  # noqa: PLC0415 - few programs need it

            fd = module_btf(name)
            if fd is None:
                raise UsageError(
                    f"module '{name}': open its BTF: the module is not loaded any more"
                )
            self._modules[name] = fd
        return fd

    def _fill_program_maps(self) -> None:
        for spec in self._spec.maps:
            for index, name in spec.slots if spec.inner is None else ():
                program = self._loaded.get(name)
                if program is not None:
                    self._maps[spec.name].update(index, slot(program.fd))


def _chosen(spec: ObjectSpec, overrides: Mapping[str, ProgramSpec]) -> list[ProgramSpec]:
    names = {program.name for program in spec.programs}
    unknown = sorted(set(overrides) - names)
    if unknown:
        raise UsageError(
            f"object '{spec.name}': load: it has no program '{unknown[0]}' to override"
        )
    chosen = [
        overrides.get(program.name, program)
        for program in spec.programs
        if program.name in overrides or not program.section.startswith(_NOT_BY_DEFAULT)
    ]
    for program in chosen:
        if program.type in _NOT_TRACING:
            raise UsageError(
                f"program '{program.name}': load: programs of type {program.type} are not supported"
            )
    return chosen


def _log_of(attr: ProgAttr, level: int) -> str:
    """Load a second time what the verifier takes, for its log."""
    try:
        loaded = bpfprogs.prog_load_verbose(attr, level)
    except KernelError as error:
        if error.errno != ENOSPC:
            raise
        loaded = bpfprogs.prog_load_verbose(attr, bpfprogs.LOG_STATS)
    loaded.fd.close()
    return loaded.log


def _number(table: Mapping[str, int], name: str, program: ProgramSpec) -> int:
    number = table.get(name)
    if not number and name not in table:
        raise UsageError(
            f"program '{program.name}': load: section '{program.section}' gives it no type that "
            f"is known"
        )
    return number or 0


def _put_older_helpers(insns: bytearray) -> None:
    calls = [
        at
        for at in range(0, len(insns), _SLOT)
        if insns[at] == CALL and not insns[at + 1] >> 4 and insns[at + 4] in _OLDER_HELPERS
    ]
    if not calls:
        return
    from syscast.features.probing import probe  # noqa: PLC0415 - programs that read no memory

    if probe(_NEEDS_KNOWN_SPACE).outcome != "no":
        return
    for at in calls:
        if insns[at + 5 : at + _SLOT] == b"\0\0\0":
            insns[at + 4] = _OLDER_HELPERS[insns[at + 4]]


def _func_info(program: ProgramSpec) -> bytes:
    return b"".join([pack("<II", each.insn, each.type_id) for each in program.func_infos])


def _line_info(program: ProgramSpec) -> bytes:
    return b"".join(
        [
            pack("<IIII", each.insn, each.file_off, each.text_off, each.line << 10 | each.column)
            for each in program.line_infos
        ]
    )


def _explained(error: KernelError, program: ProgramSpec) -> KernelError:
    """Name the type of a program that was refused before the verifier looked at it."""
    length = len(program.insns) // _SLOT
    if error.errno == E2BIG and length > _MAX_LENGTH:
        text = (
            f"program '{program.name}': load: it has {length} instructions, more than this kernel takes "
            "(lower the limits of its loops, or make two probes of it)"
        )
        return type(error)(text, error.errno, error.command)
    kind = program.type + (f", attach type {program.attach_type}" if program.attach_type else "")
    return type(error)(f"{error} (type {kind})", error.errno, error.command)
