"""fentry and fexit: programs that the kernel calls from a trampoline at a function's entry or return.

They see arguments with their BTF types, and follow pointers to structs without a helper. An
argument takes one word of the context, a struct passed by value as many as it needs; the return value
is in the word behind the last argument (``bpf_tracing_btf_ctx_access`` in kernel/bpf/btf.c).
fexit has the arguments too, as they were at the entry.

One trampoline calls the entry and the exit programs of a function with the same context, an array on its
own stack; so the context's address tells the calls of one task apart, recursion included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.btf.render import signature
from syscast.errors import KernelError, PermissionDeniedError, TargetError
from syscast.ir.program import ProgramContext
from syscast.link.tracing import TracingLink
from syscast.probes import functions, slots
from syscast.probes.kind import Target, refusal
from syscast.probes.parameters import WORD

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.link.protocol import Link
    from syscast.probes.kind import LoadedProgram, Role
    from syscast.spec.objectspec import ProgramSpec

_IN_REGISTERS = 6  # of x86_64; others have more
_MAX_ARGUMENTS = 12  # MAX_BPF_FUNC_ARGS in include/linux/bpf.h


class _Tracing:
    """What fentry and fexit share.

    Attributes:
        name: The kind's name, and the prefix of its sections.
        at_return: Whether a program runs at the return.
    """

    def __init__(self, name: str, *, at_return: bool) -> None:
        self.name = name
        self.at_return = at_return

    def resolve(self, name: str, types: Btf) -> Target:
        """Find a function in BTF.

        Raises:
            TargetError: It is not in BTF, or has arguments that no trampoline passes on.
        """
        btf_id, proto = functions.find(name, types)
        arguments, taken = slots.words(types, proto.params, typed=True)
        why = "it takes a variable number of arguments" if proto.variadic else ""
        if taken > _MAX_ARGUMENTS:
            why = f"its arguments take {taken} words and a trampoline passes {_MAX_ARGUMENTS} at most"
        if why:
            raise TargetError(f"{self.name} '{name}': attach: {why} (try kprobe:{name})")
        return Target(
            kind=self.name,
            name=name,
            btf_id=btf_id,
            module=functions.owner(types, btf_id),
            signature=signature(types, btf_id),
            arguments=arguments,
            returns=slots.returned(types, proto, WORD * taken),
        )

    def contexts(self, target: Target, *, role: Role) -> tuple[ProgramContext, ...]:
        """One context, or the entry's (fentry) and the exit's (fexit)."""
        if role == "call":
            return self._context(target, at_return=False), self._context(target, at_return=True)
        return (self._context(target, at_return=self.at_return),)

    def _context(self, target: Target, *, at_return: bool) -> ProgramContext:
        form = "fexit" if at_return else "fentry"
        return ProgramContext(
            kind=self.name,
            target=target.qualified,
            section=f"{form}/{target.qualified}",
            program_type="tracing",
            attach_type=f"trace_{form}",
            arguments=target.arguments,
            returns=target.returns if at_return else None,
            direct_reads=True,
            frame="ctx",
        )

    def unavailable(self) -> str | None:
        """Why the kernel has no trampolines; None where they work."""
        return refusal(self.name)

    def obstacle(self, target: Target, *, role: Role) -> str | None:
        """Try targets whose arguments older kernels' trampolines do not pass on.

        They are few: with structs by value, or more arguments than registers. A program that does
        nothing is attached and taken off again.
        """
        usual = all(not source.array for source in target.arguments)
        if usual and len(target.arguments) <= _IN_REGISTERS:
            return None
        (*_, context) = self.contexts(target, role=role)
        try:
            self._try(context)
        except PermissionDeniedError:
            return None
        except KernelError as error:
            return str(error).partition("\n")[0]
        return None

    def _try(self, context: ProgramContext) -> None:
        from syscast import asm  # noqa: PLC0415  # for unusual targets only
        from syscast.asm.build import exit_, mov_imm  # noqa: PLC0415
        from syscast.loader import load  # noqa: PLC0415
        from syscast.spec.objectspec import ObjectSpec, ProgramSpec  # noqa: PLC0415

        insns = asm.encode([mov_imm(0, 0), exit_()])
        kind = (context.program_type, context.attach_type, context.target)
        spec = ProgramSpec("trial", context.section, *kind, insns)
        with load(ObjectSpec("trial", "GPL", (spec,), ())) as trial:
            self.attach(trial.programs["trial"]).close()

    def prepare(self, program: ProgramSpec) -> ProgramSpec:
        """Nothing is left to choose."""
        return program

    def attach(self, program: LoadedProgram) -> Link:
        """Attach to the function that the program was loaded for."""
        spec = program.spec
        form = spec.attach_type.removeprefix("trace_")
        return TracingLink.attach(program.fd, f"{form} on {spec.target}")


FENTRY = _Tracing("fentry", at_return=False)
FEXIT = _Tracing("fexit", at_return=True)
