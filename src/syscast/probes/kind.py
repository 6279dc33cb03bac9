"""What a probe kind is: it finds a target, says what a program sees there, and attaches.

One file per kind next to this one; ``registry`` lists them. Kinds do not know each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from syscast.btf.record import Record

# A msgspec type is resolved at run time, so this import cannot move under TYPE_CHECKING.
from syscast.ir.program import ArgumentSource

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.ir.program import ProgramContext
    from syscast.kernel.descriptors import Fd
    from syscast.link.protocol import Link
    from syscast.spec.objectspec import ProgramSpec

Role = Literal["probe", "call"]


class Target(msgspec.Struct, frozen=True):
    """A place in the kernel that a kind can attach to, and what is known of it.

    Attributes:
        kind: The kind's name.
        name: Without the kind's name and the module's: ``inet_listen``, ``sched:sched_switch``,
            ``openat``.
        btf_id: The function's, or the ``btf_trace_`` typedef's; 0 where BTF does not know it.
        module: The module it is in; ``""`` for the kernel itself.
        signature: As C would declare it; ``""`` where nothing is known.
        arguments: What a program sees when the target is reached.
        returns: The return value, and how a program at the return sees it; None for ``void``.
        returns_at_all: False for what never returns, such as the syscall ``exit_group``.
    """

    kind: str
    name: str
    btf_id: int = 0
    module: str = ""
    signature: str = ""
    arguments: tuple[ArgumentSource, ...] = ()
    returns: ArgumentSource | None = None
    returns_at_all: bool = True

    @property
    def qualified(self) -> str:
        """The name with its module: ``nf_tables:nft_do_chain``."""
        return f"{self.module}:{self.name}" if self.module else self.name


class Whom(Record):
    """Whose code is meant, by kinds that attach to files and processes.

    Attributes:
        pid: The process in whose files names are looked up; 0 for this one.
        only: Attach to that process alone. Else to all, and filters in the programs choose: what a
            process starts later is then seen too.
    """

    pid: int = 0
    only: bool = False


NOBODY = Whom()


def refusal(*features: str) -> str | None:
    """Why the kernel has none of some features; None where it has one, or cannot be asked.

    Where rights are missing, an attachment is tried all the same: its error names the capability.
    """
    from syscast import features as table  # noqa: PLC0415  # compiling for others needs none

    answers = [table.probe(name) for name in features]
    if any(answer.outcome != table.NO for answer in answers):
        return None
    return answers[-1].reason


class LoadedProgram(Protocol):
    """What a kind needs of a program in order to attach it; the loader's class has it."""

    @property
    def spec(self) -> ProgramSpec:
        """What it was loaded from."""
        ...

    @property
    def fd(self) -> Fd:
        """The program, owned by the loader."""
        ...


class Kind(Protocol):
    """One way to attach a program to one sort of target."""

    @property
    def name(self) -> str:
        """As users write it before a colon: ``kprobe``."""
        ...

    def resolve(self, name: str, types: Btf) -> Target:
        """Find a target.

        Args:
            name: The target's name, without kind or module.
            types: BTF of the kernel, or of the module that is meant.

        Raises:
            TargetError: There is none, with the reason and near matches.
        """
        ...

    def contexts(self, target: Target, *, role: Role) -> tuple[ProgramContext, ...]:
        """What programs on the target see.

        Args:
            target: From ``resolve``.
            role: ``probe`` gives one context, ``call`` two: entry and exit.

        Raises:
            TargetError: The kind, or the target, has no exit.
        """
        ...

    def unavailable(self) -> str | None:
        """Why this kind cannot work on this machine; None where it can."""
        ...

    def obstacle(self, target: Target, *, role: Role) -> str | None:
        """Why this one target cannot be attached to here, though others can; None if it can.

        Only what can be told without trying in earnest, or is rare enough to be tried.
        """
        ...

    def prepare(self, program: ProgramSpec) -> ProgramSpec:
        """Choose, before loading, what only the running kernel decides."""
        ...

    def attach(self, program: LoadedProgram) -> Link:
        """Attach a program to the target that its spec names.

        Raises:
            KernelError: The kernel refused.
            TargetError: The target is not there.
        """
        ...
