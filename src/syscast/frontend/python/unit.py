"""What the probes of one object share: schemas, raise sites, program ids, source texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from syscast.diagnostics import Diagnostic
from syscast.ir.ops import AtomicAdd, Emit, Helper, Store
from syscast.ir.program import Function, Program
from syscast.ir.types import PtrType, Space
from syscast.spec.meta import STANDARD_MAPS, FieldMeta, SchemaMeta, SiteMeta, StateMeta, state_data
from syscast.spec.objectspec import MapSpec

if TYPE_CHECKING:
    from types import FunctionType

    from syscast.diagnostics import Span
    from syscast.events.event import Event
    from syscast.frontend.python.source import FunctionSource, SourceText
    from syscast.ir.ops import Op
    from syscast.state.state import State

_MAX_NAME = 12
"""Characters of a map's name: the kernel keeps 15, and the maps inside it have a suffix."""


class Unit:
    """Collects the functions of one object; ids are given in order of first use.

    Attributes:
        functions: Sources of the Python functions that its probes call.
    """

    def __init__(self) -> None:
        self.functions: dict[FunctionType, FunctionSource] = {}
        self._functions: list[Function] = []
        self._schemas: list[SchemaMeta] = []
        self._classes: dict[type[Event], int] = {}
        self._with_function: dict[int, tuple[int, str]] = {}
        self._sites: dict[tuple[str, str, int, int], SiteMeta] = {}
        self._sources: dict[str, str] = {}
        self._programs = 0
        self._states: dict[str, State] = {}
        self._labels: dict[str, str] = {}
        self._losing: dict[str, set[int]] = {}

    @property
    def classes(self) -> dict[int, type[Event]]:
        """Event classes by schema id, for decoding."""
        found = {number: cls for cls, number in self._classes.items()}
        for plain, (number, _) in self._with_function.items():
            found[number] = found[plain]
        return found

    def source(self, text: SourceText) -> None:
        """Remember a file's text, so that line info can show its lines."""
        self._sources[text.file] = text.text

    def schema_of(self, cls: type[Event]) -> SchemaMeta:
        """The schema of a declared event class; the same class has one id in the object."""
        number = self._classes.get(cls)
        if number is None:
            number = len(self._schemas)
            self._schemas.append(cls.schema(number))
            self._classes[cls] = number
        return self._schemas[number]

    def schema(self, number: int) -> SchemaMeta:
        """The schema of an id."""
        return self._schemas[number]

    def with_function(self, number: int) -> tuple[int, str]:
        """The id of a declared class's schema with a field behind its own for the function's number.

        Returns:
            The id, and the name of that field, which the class does not have.
        """
        found = self._with_function.get(number)
        if found is None:
            schema = self._schemas[number]
            name = "function"
            while any(each.name == name for each in schema.fields):
                name += "_"
            field = FieldMeta(name, "function", schema.size, 8)
            fields = (*schema.fields, field)
            made = SchemaMeta(len(self._schemas), schema.name, schema.size + 8, fields)
            self._schemas.append(made)
            self._with_function[number] = found = (made.id, name)
        return found

    def class_of(self, schema: int) -> type[Event] | None:
        """The declared class of a schema."""
        return self.classes.get(schema)

    @property
    def states(self) -> dict[str, State]:
        """Objects that probes share with Python, by the name of their map."""
        return dict(self._states)

    def state(self, state: State, hint: str) -> str:
        """The name of a state's map; the same object has one map in the object."""
        for name, held in self._states.items():
            if held is state:
                return name
        plain = "".join(each if each.isascii() and each.isalnum() else "_" for each in hint)
        name, number = plain[:_MAX_NAME] or "state", 2
        while name in self._states or name in STANDARD_MAPS:
            name, number = f"{plain[: _MAX_NAME - 3]}_{number}", number + 1
        self._states[name] = state
        self._labels[name] = hint
        return name

    def may_lose(self, name: str, site: int) -> None:
        """Say that a site counts updates of a state for which there was no room."""
        self._losing.setdefault(name, set()).add(site)

    def add_schema(self, schema: SchemaMeta) -> None:
        """Add an inferred schema, made with the id `next_schema`."""
        self._schemas.append(schema)

    @property
    def next_schema(self) -> int:
        """The id that the next schema will have."""
        return len(self._schemas)

    def shared(self, schema: SchemaMeta) -> SchemaMeta:
        """An inferred schema, or the equal one that another program's events have already."""
        for each in self._schemas:
            if (each.name, each.fields) == (schema.name, schema.fields):
                return each
        return schema

    def site(self, exception: str, span: Span, text: str) -> int:
        """The id of a place that can raise; one place and exception have one id."""
        key = (exception, span.file, span.line, span.column)
        site = self._sites.get(key)
        if site is None:
            site = SiteMeta(len(self._sites), exception, span.file, span.line, span.column, text)
            self._sites[key] = site
        return site.id

    def program_id(self) -> int:
        """A new program id."""
        self._programs += 1
        return self._programs - 1

    def add(self, function: Function) -> None:
        """Add a finished function."""
        self._functions.append(function)

    def silent(self) -> list[Diagnostic]:
        """A finding for each probe that has no way to send an event."""
        sending = {
            function.probe
            for function in self._functions
            if any(_has_effect(op) for block in function.blocks for op in block.ops)
        }
        found: dict[str, Diagnostic] = {}
        for function in self._functions:
            if function.probe not in sending and function.span is not None:
                text = self._sources.get(function.span.file, "").splitlines()
                line = text[function.span.line - 1] if function.span.line <= len(text) else ""
                found[function.probe] = Diagnostic(
                    f"probe '{function.probe}' never sends an event and changes no state",
                    function.span,
                    line,
                    "return SomeEvent(...), emit() one, or write `...` as its body to send its arguments",
                )
        return list(found.values())

    def program(self, name: str, arch: str) -> Program:
        """Everything so far as one IR program."""
        return Program(
            name,
            tuple(self._functions),
            schemas=tuple(self._schemas),
            sites=tuple(self._sites.values()),
            maps=tuple(each for name, held in self._states.items() for each in _maps(name, held)),
            states=tuple(
                StateMeta(
                    name,
                    type(held).__name__,
                    self._labels[name],
                    tuple(sorted(self._losing.get(name, ()))),
                    *held.types(),
                    held.options(),
                )
                for name, held in self._states.items()
            ),
            sources=dict(sorted(self._sources.items())),
            arch=arch,
        )


def _maps(name: str, state: State) -> list[MapSpec]:
    """The maps of a state: with its data, and what names them where they can be exchanged."""
    plan = state.plan
    data = MapSpec(name, plan.type, plan.key.size, plan.value.size, plan.entries)
    if not plan.drained:
        return [data]
    inner = msgspec.structs.replace(data, name=state_data(name))
    model = msgspec.structs.replace(data, name=f"{name}.inner")
    outer = MapSpec(name, "array_of_maps", 4, 4, 1, inner=model, slots=((0, inner.name),))
    return [inner, outer]


def _has_effect(op: Op) -> bool:
    """Whether an op is seen outside the probe: an event, or a change of a map."""
    if isinstance(op, Helper):
        return op.name in {"map_update_elem", "map_delete_elem", "get_stackid"}
    if isinstance(op, AtomicAdd | Store):
        return isinstance(op.ptr.type, PtrType) and op.ptr.type.space is Space.MAP
    return isinstance(op, Emit)
