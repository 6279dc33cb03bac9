"""One C text: compiled, its maps in the kernel, its programs loaded one by one as they are used."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import msgspec

from syscast.bcc import sharing
from syscast.bcc.failures import failure, say
from syscast.errors import KernelError, SyscastError, TargetError, VerifierError
from syscast.loader.load import load
from syscast.spec.numbers import PROGRAM_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syscast.loader.loaded import LoadedMap, LoadedProgram
    from syscast.spec.objectspec import ObjectSpec, ProgramSpec
    from syscast.spec.tables import TableMeta

_SUPER_USER = "Need super-user privileges to run"
_TYPE_NAMES = {number: name for name, number in PROGRAM_TYPES.items()}
# What functions are called in the kernel: the name that a script gave, without bcc's prefix.
_PREFIXES = (
    *("tracepoint__", "raw_tracepoint__", "kfunc__", "kretfunc__", "kmod_ret__", "lsm__"),
    *("kprobe__", "kretprobe__", "bpf_iter__"),
)


class Module:
    """Programs and maps of one text; owns what is in the kernel.

    Attributes:
        spec: The compiled object.
        tables: What the text declared, by name; extern tables as their owner described them.
        maps: In the kernel, by name; data sections included.
    """

    def __init__(self, spec: ObjectSpec, path: str = "", *, verbose: bool = False) -> None:
        """Create the maps.

        Args:
            spec: The compiled object.
            path: Of the text's file, ``""`` without.
            verbose: Show the whole log of a verifier that refuses.

        Raises:
            Exception: As bcc's; the reason is on descriptor 2.
        """
        self.spec = spec
        self._verbose = verbose
        self._programs: dict[str, ProgramSpec] = {each.name: each for each in spec.programs}
        metas = {meta.name: meta for meta in (spec.meta.tables if spec.meta else ())}
        try:
            self.maps: Mapping[str, LoadedMap] = self._make_maps(metas)
        except SyscastError as error:
            say(f"could not open bpf map: {error}")
            if isinstance(error, KernelError) and error.errno == errno.EPERM:
                raise failure(_SUPER_USER) from None
            raise failure(f"Failed to compile BPF module {path or '<text>'}") from None
        self.tables: Mapping[str, TableMeta] = {
            name: sharing.described(meta) for name, meta in metas.items()
        }

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the programs, in the order of the text."""
        return tuple(self._programs)

    def program(self, name: bytes) -> ProgramSpec:
        """A program's blueprint.

        Raises:
            Exception: ``Unknown program``.
        """
        found = self._programs.get(os.fsdecode(name))
        if found is None:
            raise failure(f"Unknown program {name!r}")
        return found

    def load(
        self, name: bytes, kind: int, *, attach_type: str = "", target: str = ""
    ) -> LoadedProgram:
        """Load one program into the kernel; the caller owns it.

        Args:
            name: In the text.
            kind: ``enum bpf_prog_type``.
            attach_type: As in ``spec.numbers.ATTACH_TYPES``, where the type needs one.
            target: What a ``tracing`` or ``lsm`` program attaches to, ``module:function`` in modules.

        Raises:
            Exception: As bcc's; what the verifier said is on descriptor 2.
        """
        program = msgspec.structs.replace(
            self.program(name),
            name=_kernel_name(os.fsdecode(name)),
            type=_TYPE_NAMES.get(kind, str(kind)),
            attach_type=attach_type,
            target=target,
        )
        spec = msgspec.structs.replace(self.spec, programs=(program,))
        try:
            loaded = load(spec, overrides={program.name: program}, shared=self.maps)
        except SyscastError as error:
            raise self._refused(name, error) from None
        for each in loaded.maps.values():
            each.fd.close()  # descriptors of its own, which a loaded program does not need
        return loaded.programs[program.name]

    def close(self) -> None:
        """Close the maps; programs that are loaded keep what they use."""
        for each in self.maps.values():
            each.fd.close()

    def _make_maps(self, metas: Mapping[str, TableMeta]) -> Mapping[str, LoadedMap]:
        specs = {each.name: each for each in self.spec.maps}
        found = sharing.existing(metas, specs)
        try:
            made = load(msgspec.structs.replace(self.spec, programs=()), shared=found).maps
        finally:
            for each in found.values():
                each.fd.close()
        try:
            for name, meta in metas.items():
                if meta.path and name not in found and name in made:
                    sharing.pin(meta, made[name])
        except BaseException:
            for each in made.values():
                each.fd.close()
            raise
        sharing.publish(metas, made)
        return made

    def _refused(self, name: bytes, error: SyscastError) -> Exception:
        say(str(error))
        if isinstance(error, VerifierError) and self._verbose:
            say(error.log)
        code = errno.ENOENT if isinstance(error, TargetError) else errno.EINVAL
        if isinstance(error, KernelError):
            code = error.errno
        if code == errno.EPERM:
            return failure(_SUPER_USER)
        return failure(f"Failed to load BPF program {name!r}: {os.strerror(code)}")


def _kernel_name(name: str) -> str:
    for prefix in _PREFIXES:
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name
