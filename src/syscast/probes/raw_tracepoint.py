"""Raw tracepoints: a tracepoint's own arguments, before they are copied into a record.

Typed (``tp_btf``) where the kernel has BTF of the tracepoint: the prototype is that of the
typedef ``btf_trace_NAME``, less its first parameter. Else plain (``raw_tp``), with the same words in the
context but pointers that the verifier does not know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.btf.render import declaration as declared
from syscast.btf.types import Func, FuncProto, Ptr, Typedef
from syscast.errors import TargetError
from syscast.ir.program import ProgramContext
from syscast.link.tracing import RawTracepointLink, TracingLink
from syscast.probes import functions, slots
from syscast.probes.kind import Target, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syscast.btf.lookup import Btf
    from syscast.btf.types import Param
    from syscast.link.protocol import Link
    from syscast.probes.kind import LoadedProgram, Role
    from syscast.spec.objectspec import ProgramSpec

PREFIX = "btf_trace_"
_NEAR = 3
# include/linux/tracepoint.h, include/trace/bpf_probe.h, include/trace/perf.h
_SIBLINGS = ("__traceiter_", "__bpf_trace_", "perf_trace_")


class RawTracepoint:
    """The kind ``raw_tracepoint``.

    Args:
        typed: Whether programs are loaded as ``tp_btf``.
    """

    def __init__(self, *, typed: bool = True) -> None:
        self.name = "raw_tracepoint"
        self._typed = typed

    def resolve(self, name: str, types: Btf) -> Target:
        """Find a tracepoint: ``sched_switch``, or ``sched:sched_switch`` (the part is dropped).

        Raises:
            TargetError: There is none of this name.
        """
        bare = name.rpartition(":")[2]
        found = declaration(types, bare)
        if found is None:
            raise TargetError(
                f"raw_tracepoint '{bare}': look up: the kernel's BTF has no such tracepoint",
                _near(types, bare),
            )
        btf_id, proto = found
        arguments, _ = slots.words(types, proto.params, typed=self._typed)
        return Target(
            kind=self.name,
            name=bare,
            btf_id=btf_id,
            module=functions.owner(types, btf_id),
            signature=f"{bare}({_parameters(types, proto)})",
            arguments=arguments,
        )

    def contexts(self, target: Target, *, role: Role) -> tuple[ProgramContext, ...]:
        """One context; raises TargetError for ``call``: a tracepoint is no call."""
        if role == "call":
            raise TargetError(
                f"raw_tracepoint '{target.name}': attach to entry and exit: a tracepoint is a "
                "point, not a call (use a function or a syscall)"
            )
        form = "tp_btf" if self._typed else "raw_tp"
        name = target.qualified if self._typed else target.name
        return (
            ProgramContext(
                kind=self.name,
                target=name,
                section=f"{form}/{name}",
                program_type="tracing" if self._typed else "raw_tracepoint",
                attach_type="trace_raw_tp" if self._typed else "",
                arguments=target.arguments,
                direct_reads=self._typed,
            ),
        )

    def unavailable(self) -> str | None:
        """Why raw tracepoints do not work here; None where they do."""
        return refusal("tp_btf" if self._typed else "raw_tracepoint")

    def obstacle(self, _target: Target, *, role: Role) -> str | None:  # noqa: ARG002
        """Nothing that would be known before trying."""
        return None

    def prepare(self, program: ProgramSpec) -> ProgramSpec:
        """Nothing is left to choose: a program follows pointers or it does not."""
        return program

    def attach(self, program: LoadedProgram) -> Link:
        """Attach to the tracepoint that the program's spec names."""
        spec = program.spec
        if spec.type == "tracing":
            return TracingLink.attach(program.fd, f"tp_btf on {spec.target}")
        return RawTracepointLink.attach(program.fd, spec.target.rpartition(":")[2])


def declaration(types: Btf, name: str) -> tuple[int, FuncProto] | None:
    """The typedef's id and the prototype of a tracepoint, less the callback's private pointer."""
    btf_id = types.find(PREFIX + name, Typedef)
    typedef = types.type(btf_id) if btf_id else None
    if btf_id is None or not isinstance(typedef, Typedef):
        return None
    pointer = types.type(types.resolve(typedef.type_id))
    proto = types.type(types.resolve(pointer.type_id)) if isinstance(pointer, Ptr) else None
    if not isinstance(proto, FuncProto):
        return None
    named = _named_parameters(types, name, len(proto.params))
    return btf_id, FuncProto(proto.return_id, (named or proto.params)[1:])


def _parameters(types: Btf, proto: FuncProto) -> str:
    words = (declared(types, param.type_id, param.name) for param in proto.params)
    return ", ".join(words) or "void"


def _named_parameters(types: Btf, name: str, count: int) -> tuple[Param, ...]:
    """The parameters of a function made by the same macro; the typedef's have no names."""
    for prefix in _SIBLINGS:
        if types.find(prefix + name, Func) is not None:
            params = types.function(prefix + name)[1].params
            if len(params) == count:
                return params
    return ()


def tracepoints(types: Btf) -> Iterator[str]:
    """The names of all tracepoints in BTF."""
    for name in types.names(Typedef):
        if name.startswith(PREFIX):
            yield name.removeprefix(PREFIX)


def _near(types: Btf, name: str) -> list[str]:
    from syscast.btf.near import nearest  # noqa: PLC0415  # only errors need it

    return nearest(name, tracepoints(types), _NEAR)
