"""Runs batches of probes in the three ways and finds where the answers differ."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Self

from differential import compiling, inputs
from differential.corpus import Case, Object, Program
from differential.host import Host, HostDiedError
from differential.integers import I64, U64, Machine
from differential.kernel import Answer, Kernel
from differential.kinds import Kind
from differential.reference import Outcome, Raised, Reference
from syscast.codegen.child import Child
from syscast.codegen.objfile import strip
from syscast.diagnostics import CompileError
from syscast.errors import InternalError, SyscastError
from syscast.frontend.python.unit import Unit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from differential.compiling import Compiled
    from differential.grammar import Probe
    from differential.inputs import Parameter, Row

CPU = "v3"


class Mismatch(NamedTuple):
    """A probe that one of the three ways answers differently.

    Attributes:
        way: ``host``, ``kernel``, or what failed before there was an answer: ``compile``, ``load``.
        row: The arguments, () where it is not a matter of input.
    """

    probe: Probe
    way: str
    row: Row
    expected: str
    got: str

    def __str__(self) -> str:
        given = ", ".join(
            f"{parameter.name}: {parameter.annotation} = {value!r}"
            for parameter, value in zip(self.probe.parameters, self.row, strict=False)
        )
        return f"{self.probe.text}\n{given}\nexpected: {self.expected}\n{self.way}: {self.got}"


@dataclass(slots=True)
class Tally:
    """What a run came to.

    Attributes:
        cases: Probe and input, each answered three times.
        rejected: Probes that the compiler refused, by message.
        endings: Cases by how they ended: an exception's name, or ``sent``, ``silent``.
    """

    probes: int = 0
    cases: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    endings: dict[str, int] = field(default_factory=dict)
    mismatches: list[Mismatch] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Take in another run's."""
        self.probes += other.probes
        self.cases += other.cases
        self.mismatches += other.mismatches
        for own, new in ((self.rejected, other.rejected), (self.endings, other.endings)):
            for name, count in new.items():
                own[name] = own.get(name, 0) + count


class Prepared(NamedTuple):
    """Probes of one batch that the front end took."""

    probes: tuple[Probe, ...]
    compiled: Compiled


class Engine:
    """Compiles and runs; keeps its child processes between batches.

    Args:
        ways: Of ``host`` and ``kernel``, those that are asked.
        rows: Inputs for each probe.
    """

    def __init__(
        self,
        ways: Sequence[str] = ("host", "kernel"),
        rows: int = 250,
    ) -> None:
        self._ways = ways
        self._rows = rows
        self._host = Host()
        self._child: Child | None = None

    def batch(self, probes: Sequence[Probe], seed: int) -> Tally:
        """Run probes; each on inputs that follow from the seed and the probe's number."""
        return self.run([(probe, self.rows_of(probe, seed)) for probe in probes])

    def export(self, probes: Sequence[Probe], seed: int) -> Object | None:
        """An object of probes with inputs and what Python says; None where the compiler takes none."""
        tally = Tally()
        prepared = self._prepare(probes, tally)
        if tally.mismatches:
            raise SyscastError(str(tally.mismatches[0]))
        if prepared is None:
            return None
        texts, programs = compiling.Texts(), []
        for name, probe in zip(prepared.compiled.names, prepared.probes, strict=True):
            rows = self.rows_of(probe, seed)
            cases = [
                Case(tuple(texts.words(row)), want.events, want.raised)
                for row, want in zip(rows, expect(probe, rows), strict=True)
            ]
            columns = compiling.text_columns(probe.parameters)
            programs.append(Program(name, columns, probe.text, tuple(cases)))
        made = prepared.compiled
        sites = tuple((each.exception, each.line) for each in made.sites)
        elf = strip(self._compile(made.text()))
        return Object(elf, sites, made.schemas, bytes(texts.data), tuple(programs))

    def run(self, work: Sequence[tuple[Probe, Sequence[Row]]]) -> Tally:
        """Run probes on the inputs given."""
        tally = Tally(probes=len(work))
        prepared = self._prepare([probe for probe, _ in work], tally)
        if prepared is None:
            return tally
        given = {probe.number: list(rows) for probe, rows in work}
        rows = [given[probe.number] for probe in prepared.probes]
        expected = [expect(probe, each) for probe, each in zip(prepared.probes, rows, strict=True)]
        answers = self._answers(prepared, rows, tally)
        for number, probe in enumerate(prepared.probes):
            for want in expected[number]:
                tally.cases += 1
                ending = want.raised.exception if want.raised else ""
                ending = ending or ("sent" if want.events else "silent")
                tally.endings[ending] = tally.endings.get(ending, 0) + 1
            for way, found in answers.items():
                wrong = _differs(
                    probe,
                    way,
                    list(zip(rows[number], expected[number], found[number], strict=True)),
                    prepared.compiled,
                )
                if wrong is not None:
                    tally.mismatches.append(wrong)
        return tally

    def rows_of(self, probe: Probe, seed: int) -> list[Row]:
        """A probe's inputs."""
        choose = random.Random(f"{seed}/{probe.number}/rows")  # noqa: S311  (repeatable is the point)
        return inputs.make(choose, probe.parameters, probe.text, self._rows)

    # ------------------------------------------------------------ compiling

    def _prepare(self, probes: Sequence[Probe], tally: Tally) -> Prepared | None:
        unit = Unit()
        taken = []
        for probe in probes:
            try:
                compiling.lower(unit, probe)
            except CompileError as error:
                message = error.diagnostics[0].message
                tally.rejected[message] = tally.rejected.get(message, 0) + 1
            except Exception as error:  # noqa: BLE001  (a bug of the front end, whatever it is)
                tally.mismatches.append(_failed(probe, "compile", error))
            else:
                taken.append(probe)
        if not taken:
            return None
        try:
            return Prepared(tuple(taken), compiling.finish(unit))
        except Exception as error:  # noqa: BLE001  (a bug of a pass, whatever it is)
            return self._halves(probes, tally, "compile", error)

    def _halves(
        self, probes: Sequence[Probe], tally: Tally, way: str, error: Exception
    ) -> Prepared | None:
        """Find the probe that breaks a batch; the others are given up."""
        if len(probes) == 1:
            tally.mismatches.append(_failed(probes[0], way, error))
            return None
        middle = len(probes) // 2
        for half in (probes[:middle], probes[middle:]):
            inner = Tally()
            self._prepare(half, inner)
            tally.mismatches += inner.mismatches
        return None

    # ------------------------------------------------------------ answers

    def _answers(
        self, prepared: Prepared, rows: list[list[Row]], tally: Tally
    ) -> dict[str, list[list[Answer]]]:
        text = prepared.compiled.text()
        names = prepared.compiled.names
        texts = compiling.Texts()
        inputs_of = [[texts.words(row) for row in each] for each in rows]
        columns = [compiling.text_columns(each.parameters) for each in prepared.probes]
        data = bytes(texts.data)
        found: dict[str, list[list[Answer]]] = {}
        if "host" in self._ways:
            try:
                runs = list(zip(names, columns, inputs_of, strict=True))
                found["host"] = self._host.run(text, runs, data)
            except HostDiedError as error:
                tally.mismatches += self._one_by_one(prepared, rows, error)
        if "kernel" in self._ways:
            try:
                with Kernel(strip(self._compile(text)), names, data) as kernel:
                    found["kernel"] = [
                        [kernel.run(number, row, columns[number]) for row in each]
                        for number, each in enumerate(inputs_of)
                    ]
            except SyscastError as error:
                tally.mismatches += self._one_by_one(prepared, rows, error)
        return found

    def _one_by_one(
        self, prepared: Prepared, rows: list[list[Row]], error: Exception
    ) -> list[Mismatch]:
        """Which probes of a batch the host or the kernel fails on, each compiled alone."""
        if len(prepared.probes) == 1:
            way = "host" if isinstance(error, HostDiedError) else "load"
            return [_failed(prepared.probes[0], way, error)]
        found: list[Mismatch] = []
        for number, probe in enumerate(prepared.probes):
            inner = Tally()
            alone = self._prepare([probe], inner)
            if alone is not None:
                self._answers(alone, [rows[number]], inner)
            found += inner.mismatches
            if len(found) >= 3:
                break
        return found or [_failed(prepared.probes[0], "together", error)]

    def _compile(self, text: str) -> bytes:
        if self._child is None:
            self._child = Child()
        try:
            return self._child.compile(text, CPU)
        except InternalError:
            self._child.close()
            self._child = None
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._host.close()
        if self._child is not None:
            self._child.close()


def kinds_of(parameters: Sequence[Parameter]) -> dict[str, Kind]:
    """The parameters' machine kinds."""
    kinds = {}
    for each in parameters:
        kinds[each.name] = Kind.U64 if each.bits == 64 and not each.signed else Kind.I64
        if each.text:
            kinds[each.name] = Kind.OTHER
    return kinds


def expect(probe: Probe, rows: Sequence[Row]) -> list[Outcome]:
    """What Python says, for each input."""
    kinds = kinds_of(probe.parameters)
    reference = Reference(probe.text, compiling.file_of(probe), compiling.names(), kinds)
    return [
        reference.run(
            [
                value if isinstance(value, str) else _MACHINES[kinds[each.name]](value)
                for each, value in zip(probe.parameters, row, strict=True)
            ]
        )
        for row in rows
    ]


_MACHINES: dict[Kind, type[Machine]] = {Kind.I64: I64, Kind.U64: U64}


def _failed(probe: Probe, way: str, error: Exception) -> Mismatch:
    words = f"{type(error).__name__}: {error}"
    return Mismatch(probe, way, (), "an answer", "\n".join(words.splitlines()[:8]))


def _differs(
    probe: Probe,
    way: str,
    cases: Sequence[tuple[Row, Outcome, Answer]],
    compiled: Compiled,
) -> Mismatch | None:
    """The first case with different answers."""
    for row, want, answer in cases:
        got = outcome(answer, compiled)
        if got != want:
            return Mismatch(probe, way, row, shown(want), shown(got))
    return None


def outcome(answer: Answer, compiled: Compiled) -> Outcome:
    """A compiled probe's answer in Python's terms."""
    raised = None
    if answer.site:
        site = compiled.sites[answer.site - 1]
        raised = Raised(site.exception, site.line)
    events = tuple((compiled.schemas[schema], data) for schema, data in answer.events)
    return Outcome(events, raised)


def shown(what: Outcome) -> str:
    """An outcome on one line."""
    events = ", ".join(f"{name} {data.hex()}" for name, data in what.events) or "no event"
    if what.raised is None:
        return events
    return f"{events}; {what.raised.exception} at line {what.raised.line}"
