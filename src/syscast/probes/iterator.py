"""BPF iterators: programs that the kernel runs for each element of one of its tables.

A table is there where BTF has a function ``bpf_iter_<name>``, whose arguments a program gets, and the
struct ``bpf_iter__<name>`` of the context; so nothing here knows a table by name. The first argument,
``meta``, is for the way out (see ``passes.seqwrite``) and not shown.

When a table is at its end the kernel runs the program once more with NULL in place of the element, for
programs that write text. Such a run never happened: a guard ends it. Every pointer is tested, since an
empty slot of a sockmap has a key and no socket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.btf.render import declaration
from syscast.btf.types import Func, Ptr, Struct
from syscast.errors import NotSupportedError, TargetError
from syscast.ir.program import ITERATOR, ArgFrom, Guard, ProgramContext
from syscast.link.iterator import IteratorLink
from syscast.probes import functions, slots
from syscast.probes.kind import Target, refusal
from syscast.probes.parameters import WORD

if TYPE_CHECKING:
    from collections.abc import Iterator as Iterable

    from syscast.btf.lookup import Btf
    from syscast.link.protocol import Link
    from syscast.probes.kind import LoadedProgram, Role
    from syscast.spec.objectspec import ProgramSpec

FUNCTION = "bpf_iter_"
CONTEXT = "bpf_iter__"
_NEAR = 3


class Iterator:
    """The kind ``iter``."""

    name = ITERATOR

    def resolve(self, name: str, types: Btf) -> Target:
        """Find a table: ``tcp``, ``task_file``.

        Raises:
            TargetError: The kernel has none of this name.
            NotSupportedError: It has none at all.
        """
        btf_id = types.find(FUNCTION + name, Func)
        if btf_id is None or types.find(CONTEXT + name, Struct) is None:
            raise _missing(name, types)
        params = types.function(FUNCTION + name)[1].params
        sources, _ = slots.words(types, params, typed=True)
        shown = ", ".join(declaration(types, each.type_id, each.name) for each in params[1:])
        return Target(
            kind=self.name,
            name=name,
            btf_id=btf_id,
            module=functions.owner(types, btf_id),
            signature=f"{name}({shown or 'void'})",
            arguments=sources[1:],
        )

    def contexts(self, target: Target, *, role: Role) -> tuple[ProgramContext, ...]:
        """One context; raises TargetError for ``call``: a row has no exit."""
        if role == "call":
            raise TargetError(
                f"iter '{target.name}': attach to entry and exit: a table has rows, not calls "
                "(use a function or a syscall)"
            )
        return (
            ProgramContext(
                kind=self.name,
                target=target.qualified,
                section=f"iter/{target.qualified}",
                program_type="tracing",
                attach_type="trace_iter",
                arguments=target.arguments,
                direct_reads=True,
                guards=tuple(
                    Guard(each, 0, others=(0,), absent=True)
                    for each in target.arguments
                    if each.where is ArgFrom.CTX and each.size == WORD and "*" in each.ctype
                ),
            ),
        )

    def unavailable(self) -> str | None:
        """Why the kernel has no iterators; None where it has."""
        return refusal("iterator")

    def obstacle(self, target: Target, *, role: Role) -> str | None:  # noqa: ARG002
        """Why this table cannot be read here: BTF may know one that the kernel was built without."""
        from syscast.features import NO, programs  # noqa: PLC0415  # compiling for others needs none
        from syscast.features.feature import attempt  # noqa: PLC0415
        from syscast.kernel import bpfprogs  # noqa: PLC0415

        if target.module:
            return None  # the module's BTF is told to the kernel when the program is loaded

        def load() -> None:
            programs.load(
                bpfprogs.TYPE_TRACING, attach_type=bpfprogs.TRACE_ITER, btf_id=target.btf_id
            ).close()

        answer = attempt(load)
        return answer.reason if answer.outcome == NO else None

    def prepare(self, program: ProgramSpec) -> ProgramSpec:
        """Nothing is left to choose."""
        return program

    def attach(self, program: LoadedProgram) -> Link:
        """A link to the whole table; what narrows it down is given to `IteratorLink.attach`."""
        return IteratorLink.attach(program.fd, program.spec.target)


ITER = Iterator()


def names(types: Btf) -> Iterable[str]:
    """The tables that BTF knows, by name, sorted."""
    contexts = {each for each in types.names(Struct) if each.startswith(CONTEXT)}
    found = {
        each.removeprefix(FUNCTION)
        for each in types.names(Func)
        if each.startswith(FUNCTION) and CONTEXT + each.removeprefix(FUNCTION) in contexts
    }
    yield from sorted(found)


def every() -> Iterable[tuple[str, Btf]]:
    """The tables of the running kernel and its modules, each with the BTF that declares it."""
    from syscast.btf import source  # noqa: PLC0415  # not to attach

    seen: set[str] = set()
    for types in (source.kernel(), *map(source.module, source.modules())):
        for name in names(types):
            if name not in seen:
                seen.add(name)
                yield name, types


def row_of(target: Target) -> str:
    """What a row of a table is, for people: ``struct sock_common *sk_common, uid_t uid``."""
    return target.signature.partition("(")[2].removesuffix(")")


def object_of(target: Target, types: Btf) -> str:
    """The argument that is the element itself: the last pointer to a struct; ``""`` without one."""
    found = ""
    for each in target.arguments:
        pointer = types.type(types.resolve(each.type_id))
        if isinstance(pointer, Ptr) and isinstance(
            types.type(types.resolve(pointer.type_id)), Struct
        ):
            found = each.name
    return found


def _missing(name: str, types: Btf) -> TargetError | NotSupportedError:
    known = list(names(types.base or types))
    if not known:
        return NotSupportedError(
            f"iterator '{name}': look up: this kernel has no BPF iterators (its BTF names none)"
        )
    import difflib  # noqa: PLC0415  # only errors need it

    near = difflib.get_close_matches(name, known, _NEAR)
    near += [each for each in known if name in each and each not in near]
    return TargetError(f"iterator '{name}': look up: this kernel has no such table", near[:_NEAR])
