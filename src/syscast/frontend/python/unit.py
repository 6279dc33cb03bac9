"""What the probes of one object share: schemas, raise sites, program ids, source texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.diagnostics import Diagnostic
from syscast.ir.ops import Emit
from syscast.ir.program import Function, Program
from syscast.spec.meta import SchemaMeta, SiteMeta

if TYPE_CHECKING:
    from types import FunctionType

    from syscast.diagnostics import Span
    from syscast.events.event import Event
    from syscast.frontend.python.source import FunctionSource, SourceText


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
        self._sites: dict[tuple[str, str, int, int], SiteMeta] = {}
        self._sources: dict[str, str] = {}
        self._programs = 0

    @property
    def classes(self) -> dict[int, type[Event]]:
        """Event classes by schema id, for decoding."""
        return {number: cls for cls, number in self._classes.items()}

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

    def add_schema(self, schema: SchemaMeta) -> None:
        """Add an inferred schema, made with the id `next_schema`."""
        self._schemas.append(schema)

    @property
    def next_schema(self) -> int:
        """The id that the next schema will have."""
        return len(self._schemas)

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
            if any(isinstance(op, Emit) for block in function.blocks for op in block.ops)
        }
        found: dict[str, Diagnostic] = {}
        for function in self._functions:
            if function.probe not in sending and function.span is not None:
                text = self._sources.get(function.span.file, "").splitlines()
                line = text[function.span.line - 1] if function.span.line <= len(text) else ""
                found[function.probe] = Diagnostic(
                    f"probe '{function.probe}' never sends an event",
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
            sources=dict(sorted(self._sources.items())),
            arch=arch,
        )
