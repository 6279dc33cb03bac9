"""One program on many functions of a program or library.

The program tells the functions apart by the number of its attachment, and by nothing else: where a
library lies in memory differs from process to process. So this takes a kernel that has such numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from syscast.errors import NotSupportedError
from syscast.ir.program import FUNCTION, ArgFrom, ArgumentSource
from syscast.link.many import FilePlace, UprobeEachLinks
from syscast.probes import registers, registry
from syscast.probes.kind import Target, refusal
from syscast.probes.many import ManyKind
from syscast.probes.uprobe import Uprobe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.ir.program import ProgramContext
    from syscast.link.protocol import Link
    from syscast.probes.kind import LoadedProgram, Role, Whom
    from syscast.probes.many import Names
    from syscast.probes.matching import Match
    from syscast.probes.registry import Choice
    from syscast.spec.objectspec import ProgramSpec

_NUMBERED = ("bpf_cookie",)


class ManyUserFunctions(ManyKind):
    """Uprobes in many functions.

    Args:
        places: The functions and their numbers.
        label: What the user called them.
        whom: Whom to watch.
        at_return: Whether programs run at the return.
    """

    name = "uprobe"

    def __init__(
        self, places: Sequence[FilePlace], label: str, whom: Whom, *, at_return: bool
    ) -> None:
        self._places = places
        self._label = label
        self._whom = whom
        self._single = Uprobe(at_return=at_return, whom=whom)

    def contexts(self, target: Target, *, role: Role) -> tuple[ProgramContext, ...]:
        """The entry's context, or the entry's and the exit's."""
        return tuple(
            replace(
                each, arguments=target.arguments if each.returns is None else (), numbered=True
            )
            for each in self._single.contexts(target, role=role)
        )

    def unavailable(self) -> str | None:
        """Why the kernel cannot do it; None where it can."""
        return self._single.unavailable() or refusal(*_NUMBERED)

    def prepare(self, program: ProgramSpec) -> ProgramSpec:
        """Nothing is left to choose."""
        return program

    def attach(self, program: LoadedProgram) -> Link:
        """Attach to all of the functions that the kernel takes."""
        on_return = program.spec.section.startswith("uretprobe")
        pid = self._whom.pid if self._whom.only else -1
        return UprobeEachLinks.attach(
            program.fd, self._places, on_return=on_return, pid=pid, label=self._label
        )


def choice(match: Match, role: Role, known: Names, whom: Whom) -> Choice:
    """How to attach to all functions of a file that a pattern means.

    Raises:
        NotSupportedError: This kernel cannot.
    """
    from syscast.btf import source  # noqa: PLC0415  (reads the kernel's types)
    from syscast.symbols import libraries  # noqa: PLC0415  (once a target is there)

    machine = registers.here()
    path = libraries.find(match.found[0].module, whom.pid)
    places = [
        FilePlace(each.name, path, each.address, known.number(f"{each.module}:{each.name}"))
        for each in match.found
    ]
    ip = machine.place
    number = ArgumentSource(FUNCTION, where=ArgFrom.COOKIE, member=ip[0], offset=ip[1])
    at_return = match.kind == "uretprobe"
    kind = ManyUserFunctions(places, match.text, whom, at_return=at_return)
    why = kind.unavailable()
    if why is not None:
        raise NotSupportedError(
            f"uprobe '{match.text}': attach to many: {why} (name one function at a time)"
        )
    words = Uprobe(at_return=at_return).words()
    target = Target(
        "uprobe", match.text, arguments=(number, *words.arguments), returns=words.returns
    )
    return registry.Choice(kind, target, role, "one program for many", (), source.kernel())
