"""Tracepoints with their records, as tracefs describes them.

A program's context is the record: fields with names and C types, strings in it behind ``__data_loc``
words. Where BTF has the record's struct (``trace_event_raw_NAME``), fields are read by CO-RE and the
object serves other kernels; else by the offsets of this kernel's tracefs.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from msgspec.structs import replace

from syscast.btf.types import Struct
from syscast.errors import NotSupportedError, PermissionDeniedError, TargetError
from syscast.ir.ops import FieldRef
from syscast.ir.program import ArgFrom, ArgumentSource, ProgramContext
from syscast.kernel import perf, tracefs
from syscast.link.perf_event import PerfEventLink
from syscast.probes import cnames
from syscast.probes.kind import Target, refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.btf.lookup import Btf
    from syscast.kernel.tracefs import TraceField
    from syscast.link.protocol import Link
    from syscast.probes.kind import LoadedProgram, Role
    from syscast.spec.objectspec import ProgramSpec

_Layout: TypeAlias = frozenset[tuple[str, int, int]]

PREFIX = "trace_event_raw_"
_WORD = 8
_CHARACTERS = frozenset({"char", "const char"})
_USER_CATEGORY = "syscalls"  # pointers in these records are the caller's
_HEAD = ("ent",)  # of every record: struct trace_entry
_TAIL = ("__data",)
_SYSCALLS = "syscalls"


class Tracepoint:
    """The kind ``tracepoint``."""

    name = "tracepoint"

    def resolve(self, name: str, types: Btf) -> Target:
        """Find a tracepoint: ``sched:sched_process_exec``, or ``sched_process_exec`` alone.

        Raises:
            TargetError: There is none of this name, or several in different categories.
            NotSupportedError: tracefs is not mounted, and BTF does not know the record either.
            PermissionDeniedError: Likewise, where tracefs may not be read.
        """
        category, _, event = name.replace("/", ":").rpartition(":")
        try:
            category = category or _category(event)
            fields: Sequence[TraceField] = tracefs.event_format(category, event).fields
        except (NotSupportedError, PermissionDeniedError):
            if not category or types.find(PREFIX + event, Struct) is None:
                raise
            fields = _fields_of(types, types.find(PREFIX + event, Struct) or 0)
        root = _record(types, category, event, fields)
        arguments = tuple(_argument(types, field, root, category) for field in fields)
        words = ", ".join(_declared(field) for field in fields)
        return Target(
            kind=self.name,
            name=f"{category}:{event}",
            btf_id=root,
            signature=f"{category}:{event}({words})",
            arguments=arguments,
        )

    def contexts(self, target: Target, *, role: Role) -> tuple[ProgramContext, ...]:
        """One context; raises TargetError for ``call``: a tracepoint is no call."""
        if role == "call":
            raise TargetError(
                f"tracepoint '{target.name}': attach to entry and exit: a tracepoint is a point, "
                "not a call (use a function or a syscall)"
            )
        category, _, event = target.name.partition(":")
        return (
            ProgramContext(
                kind=self.name,
                target=target.name,
                section=f"tracepoint/{category}/{event}",
                program_type="tracepoint",
                arguments=target.arguments,
                kernel_bound=any(source.field is None for source in target.arguments),
            ),
        )

    def unavailable(self) -> str | None:
        """Why tracepoints do not work here; None where they do."""
        return refusal("tracepoint")

    def obstacle(self, _target: Target, *, role: Role) -> str | None:  # noqa: ARG002
        """Nothing that would be known before trying."""
        return None

    def prepare(self, program: ProgramSpec) -> ProgramSpec:
        """Nothing is left to choose."""
        return program

    def attach(self, program: LoadedProgram) -> Link:
        """Attach to the tracepoint that the program's section names.

        Raises:
            TargetError: This kernel has no such tracepoint.
        """
        category, _, event = program.spec.section.partition("/")[2].partition("/")
        name = f"{category}:{event}"
        point = perf.open_tracepoint(tracefs.event_id(category, event), name)
        return PerfEventLink.attach(program.fd, point, f"tracepoint on {name}")


TRACEPOINT = Tracepoint()


def _category(event: str) -> str:
    found = sorted({category for category, name in tracefs.events() if name == event})
    if not found:
        from syscast.btf.near import nearest  # noqa: PLC0415  # only errors need it

        near = nearest(event, (name for _, name in tracefs.events()))
        raise TargetError(f"tracepoint '{event}': find: no such tracepoint", near)
    if len(found) > 1:
        raise TargetError(
            f"tracepoint '{event}': find: it is in {', '.join(found)} (say which: {found[0]}:{event})"
        )
    return found[0]


def _fields_of(types: Btf, root: int) -> list[TraceField]:
    """What the format file would say, from the record's struct: for machines without tracefs."""
    from syscast.btf.render import type_name  # noqa: PLC0415  # only without tracefs
    from syscast.btf.types import Array  # noqa: PLC0415

    record = types.type(root)
    fields = []
    for member in record.members if isinstance(record, Struct) else ():
        if member.name in _HEAD + _TAIL:
            continue
        loc = next(
            (loc for loc in ("data_loc", "rel_loc") if member.name.startswith(f"__{loc}_")), ""
        )
        found = types.type(types.resolve(member.type_id))
        array = found.count if isinstance(found, Array) else None
        inner = found.element_id if isinstance(found, Array) else member.type_id
        size = types.size_of(member.type_id)
        signed = (cnames.integer(types, inner) or (0, False))[1]
        fields.append(
            tracefs.TraceField(
                name=member.name.removeprefix(f"__{loc}_") if loc else member.name,
                # BTF keeps only the word; nearly all of these are strings.
                c_type="char" if loc else type_name(types, inner),
                offset=member.bit_offset // 8,
                size=size,
                signed=signed,
                array=0 if loc else array,
                loc=loc,
            )
        )
    return fields


def _member_name(field: TraceField) -> str:
    return f"__{field.loc}_{field.name}" if field.loc else field.name


def _record(types: Btf, category: str, event: str, fields: Sequence[TraceField]) -> int:
    """The struct with exactly these fields at these offsets; 0 where BTF has none.

    Tracepoints of one class share the class's struct, whose name no file tells. Those of system
    calls have none at all: the kernel makes their formats from its tables.
    """
    if category == _SYSCALLS:
        return 0
    wanted = frozenset((_member_name(field), field.offset, field.size) for field in fields)
    own = types.find(PREFIX + event, Struct)
    if own is not None and _layout(types, own) == wanted:
        return own
    return _records(types).get(wanted, 0)


@lru_cache(maxsize=8)
def _records(types: Btf) -> dict[_Layout, int]:
    """All structs of records by their layout."""
    found: dict[_Layout, int] = {}
    for each in (types.base, types):
        for name in each.names_like(PREFIX + r"\w+", Struct) if each is not None else ():
            root = types.find(name, Struct) or 0
            found.setdefault(_layout(types, root), root)
    return found


def _layout(types: Btf, root: int) -> _Layout:
    """Name, offset and size of each field, in bytes."""
    record = types.type(root)
    return frozenset(
        (member.name, member.bit_offset // 8, types.size_of(member.type_id))
        for member in (record.members if isinstance(record, Struct) else ())
        if member.name not in _HEAD + _TAIL
    )


def _argument(types: Btf, field: TraceField, root: int, category: str) -> ArgumentSource:
    """Where a field is, as a program reads it."""
    pointer = field.c_type.endswith("*")
    type_id = 0 if pointer else cnames.find_type(types, field.c_type)
    user = pointer and category == _USER_CATEGORY
    size, signed = field.size, field.signed
    if user or category == _USER_CATEGORY:
        # Each argument has a whole word there, whatever its type.
        size, signed = cnames.integer(types, type_id) or (size, signed)
    characters = field.c_type in _CHARACTERS
    source = ArgumentSource(
        name=field.name,
        type_id=type_id,
        offset=field.offset,
        size=min(size, _WORD),
        signed=signed,
        user=user,
        ctype=_ctype(field),
        data_loc=field.loc == "data_loc",
        array=field.size if _lies_in_record(types, field, type_id) else 0,
        string=(characters and field.array is not None)
        or (user and field.c_type == "const char *"),
        pointee=cnames.find_pointee(types, field.c_type) if pointer else 0,
        field=_reference(types, root, field) if root else None,
    )
    if field.loc == "rel_loc":
        why = "its place in the record counts from its own word (__rel_loc)"
        return replace(source, where=ArgFrom.NOWHERE, why=why)
    return source


def _lies_in_record(types: Btf, field: TraceField, type_id: int) -> bool:
    if field.loc:
        return False
    whole = types.type(types.resolve(type_id)) if type_id else None
    return field.array is not None or field.size > _WORD or isinstance(whole, Struct)


def _reference(types: Btf, root: int, field: TraceField) -> FieldRef | None:
    record = types.type(root)
    name = _member_name(field)
    for number, member in enumerate(record.members if isinstance(record, Struct) else ()):
        if member.name == name:
            return FieldRef(root, (number,), member.type_id, member.bit_offset, name=name)
    return None


def _ctype(field: TraceField) -> str:
    if field.array is None:
        return field.c_type
    return f"{field.c_type}[{field.array or ''}]"


def _declared(field: TraceField) -> str:
    blank = "" if field.c_type.endswith("*") else " "
    brackets = "" if field.array is None else f"[{field.array or ''}]"
    return f"{field.c_type}{blank}{field.name}{brackets}"
