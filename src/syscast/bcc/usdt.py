"""bcc's module ``usdt``: probes that authors of programs and libraries marked.

A `USDT` lists the probes of a file or process, enables some, and hands the BPF object the C text that reads their
arguments and the places to attach to.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NamedTuple, Protocol

from syscast.bcc.usdtargs import c_type, reader
from syscast.bcc.userplaces import UserPlace
from syscast.errors import TargetError
from syscast.symbols import libraries, stapsdt
from syscast.symbols.sdtoperands import CONSTANT, HERE, MEMORY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.bcc.arguments import Name
    from syscast.symbols.sdtoperands import Operand
    from syscast.symbols.stapsdt import Location, Probe

    class Attaches(Protocol):
        """A BPF object."""

        def attach_place(
            self, form: bytes, place: UserPlace, fn_name: bytes, pid: int = -1, reference: int = 0
        ) -> None: ...

        def note(self, fn_name: bytes, kind: str, target: str, note: str = "") -> None: ...


_ENTRY = b"p"


class USDTException(Exception):
    """A file or process cannot be read, or has no such probe."""


class USDTProbeArgument:
    """One argument at one place.

    Attributes:
        signed: Whether it is a signed integer.
        size: Bytes.
        constant: Its value, where it is one; else None.
        deref_offset: What is added to the address, where it is in memory; else None.
        deref_ident: The symbol whose address is added, or None.
        base_register_name: The register, or that of the address; None without.
        index_register_name: Register that is added to the address, or None.
        scale: What the index is multiplied by, or None.
    """

    def __init__(self, argument: Operand) -> None:
        memory = argument.kind == MEMORY
        self.signed: bool = argument.signed
        self.size: int = argument.size
        self.constant: int | None = argument.number if argument.kind == CONSTANT else None
        self.deref_offset: int | None = argument.number if memory else None
        self.deref_ident: str | None = argument.symbol or None
        known = argument.register not in {"", HERE}
        self.base_register_name: str | None = argument.register if known else None
        self.index_register_name: str | None = argument.indexed or None
        self.scale: int | None = argument.scale if argument.indexed else None
        self._text = argument.text.partition("@")[2]

    def _place(self) -> str:
        if self.constant is not None:
            return str(self.constant)
        if self.deref_offset is None:
            return self.base_register_name or self._text
        base = self.base_register_name or self.deref_ident or "ip"
        index = f" + {self.scale}*{self.index_register_name}" if self.index_register_name else ""
        return f"*({base}{self.deref_offset:+d}{index})"

    def __str__(self) -> str:
        return f"{self.size} {'signed  ' if self.signed else 'unsigned'} bytes @ {self._place()}"


class USDTProbeLocation:
    """One place of a probe.

    Attributes:
        probe: Whose it is.
        index: Its number.
        num_arguments: How many arguments it has.
        address: As the file's own tables have it.
        bin_path: The file.
    """

    def __init__(self, probe: USDTProbe, index: int, location: Location) -> None:
        self.probe = probe
        self.index = index
        self.num_arguments: int = len(location.arguments)
        self.address: int = location.address
        self.bin_path: bytes = probe.bin_path
        self._location = location

    def __str__(self) -> str:
        return f"{os.fsdecode(self.bin_path)} 0x{self.address:x}"

    def get_argument(self, index: int) -> USDTProbeArgument:
        """An argument; raises USDTException for one that there is not."""
        if not 0 <= index < self.num_arguments:
            raise USDTException(f"error retrieving probe argument {index} location {self.index}")
        return USDTProbeArgument(self._location.arguments[index])


class USDTProbe:
    """A probe.

    Attributes:
        provider: Who marked it.
        name: Its name.
        bin_path: The file.
        semaphore: Address of its semaphore, as the file's own tables have it; 0 without one.
        num_locations: How many places it has.
        num_arguments: How many arguments.
    """

    def __init__(self, context: USDT, probe: Probe) -> None:
        self.context = context
        self.provider: bytes = os.fsencode(probe.provider)
        self.name: bytes = os.fsencode(probe.name)
        self.bin_path: bytes = os.fsencode(probe.path)
        places = probe.locations
        self.semaphore: int = next(
            (each.semaphore_address for each in places if each.semaphore), 0
        )
        self.num_locations: int = len(places)
        self.num_arguments: int = len(places[0].arguments) if places else 0
        self._probe = probe

    def __str__(self) -> str:
        return f"{self.short_name()} [sema 0x{self.semaphore:x}]"

    def short_name(self) -> str:
        """``provider:name``."""
        return f"{self._probe.provider}:{self._probe.name}"

    def get_location(self, index: int) -> USDTProbeLocation:
        """A place; raises USDTException for one that there is not."""
        if not 0 <= index < self.num_locations:
            raise USDTException(f"error retrieving probe location {index}")
        return USDTProbeLocation(self, index, self._probe.locations[index])


class _Enabled(NamedTuple):
    probe: Probe
    fn_name: str


class USDT:
    """The probes of a file, of a process, or of a file as a process has it.

    Attributes:
        pid: The process, or -1.
        path: The file as it was given, or None.
    """

    def __init__(self, pid: int | None = None, path: Name | None = None) -> None:
        """Read them.

        Args:
            pid: A process, all of whose files are looked at, and whose calls alone are seen; or None.
            path: A program or library: its path, or a name such as ``c``; or None.

        Raises:
            USDTException: Neither was given, or it cannot be read.
        """
        self.pid: int = pid if pid is not None and pid > 0 else -1
        self.path: str | None = _text(path) if path else None
        self._enabled: list[_Enabled] = []
        try:
            if self.path:
                self._probes = stapsdt.probes(libraries.find(self.path, max(self.pid, 0)))
            elif self.pid > 0:
                self._probes = stapsdt.of_process(self.pid)
            else:
                raise USDTException("either a pid or a binary path must be specified")
        except TargetError as error:
            what = f"PID {self.pid}" if not self.path else f"path {self.path!r}"
            raise USDTException(f"USDT failed to instrument {what}: {error}") from None

    def get_context(self) -> USDT:
        """What other functions take for this object."""
        return self

    def enumerate_probes(self) -> list[USDTProbe]:
        """All probes."""
        return [USDTProbe(self, each) for each in self._probes]

    def enable_probe(self, probe: Name, fn_name: Name) -> None:
        """Let a function of the text run at a probe.

        Args:
            probe: Its name, or ``provider:name``.
            fn_name: The function.

        Raises:
            USDTException: There is no such probe.
        """
        found = self._find(_text(probe))
        if found is None:
            raise USDTException(
                f"Failed to enable USDT probe '{_text(probe)}':\n"
                "the specified pid might not contain the given language's runtime,\n"
                "or the runtime was not built with the required USDT probes.\n"
                "Look for a configure flag similar to --with-dtrace or --enable-dtrace.\n"
                "To check which probes are present in the process, use the tplist tool."
            )
        self._enabled.append(_Enabled(found, _text(fn_name)))

    def enable_probe_or_bail(self, probe: Name, fn_name: Name) -> None:
        """`enable_probe`, which ends the process with a message where there is no such probe."""
        try:
            self.enable_probe(probe, fn_name)
        except USDTException as error:
            sys.stderr.write(f"{error}\n")
            sys.exit(1)

    def get_text(self) -> str:
        """C that reads the arguments of the enabled probes."""
        return "".join(reader(each.probe, each.fn_name) for each in self._enabled)

    def get_probe_arg_ctype(self, probe_name: Name, arg_index: int) -> str | None:
        """The C type of an argument that holds it at every place; None where it is not known.

        Args:
            probe_name: The probe, or ``provider:name``.
            arg_index: From 0 on.
        """
        found = self._find(_text(probe_name))
        return c_type(found.locations, arg_index) if found else None

    def enumerate_active_probes(self) -> list[tuple[bytes, bytes, int, int]]:
        """File, function, address and process (-1 for all) of every place that is enabled."""
        return [
            (os.fsencode(each.probe.path), os.fsencode(each.fn_name), place.address, self.pid)
            for each in self._enabled
            for place in each.probe.locations
        ]

    def attach_uprobes(self, bpf: Attaches, attach_usdt_ignore_pid: bool) -> None:
        """Attach the functions to the places of their probes; `BPF` calls it.

        Args:
            bpf: The object with the functions.
            attach_usdt_ignore_pid: See all processes' calls.

        Raises:
            Exception: As of `BPF.attach_uprobe`.
        """
        pid = -1 if attach_usdt_ignore_pid else self.pid
        for each in self._enabled:
            for place in each.probe.locations:
                where = UserPlace(each.probe.path, place.offset)
                bpf.attach_place(_ENTRY, where, os.fsencode(each.fn_name), pid, place.semaphore)
            target = f"{each.probe.path}:{each.probe.provider}:{each.probe.name}"
            only = f"only in process {pid}" if pid >= 0 else ""
            bpf.note(os.fsencode(each.fn_name), "usdt", target, only)

    def _find(self, wanted: str) -> Probe | None:
        provider, _, name = wanted.rpartition(":")
        names: Sequence[Probe] = [each for each in self._probes if each.name == name]
        return next((each for each in names if provider in {"", each.provider}), None)


def _text(name: Name) -> str:
    return name if isinstance(name, str) else os.fsdecode(bytes(name))
