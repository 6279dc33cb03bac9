"""The state of lowering one function, and the conversions every handler needs.

Handlers live in modules of their own and never import each other: they reach one another through
`Lowering.expr`, which looks the node's class up in the table that `lower` puts together.
"""

from __future__ import annotations

import ast
import contextlib
import enum
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from syscast.frontend.python.outside import instead
from syscast.frontend.python.values import (
    BoolValue,
    ElementValue,
    EventValue,
    IntValue,
    ItemValue,
    Lowered,
    MethodValue,
    PtrValue,
    PyValue,
    RecordValue,
    StructValue,
    StrValue,
    TupleValue,
    boolean,
    constant,
)
from syscast.ir.intervals import join
from syscast.ir.ops import (
    Branch,
    Compare,
    Convert,
    ExactCompare,
    Jump,
    Op,
    Predicate,
    SlotAddr,
    SlotLoad,
    SlotStore,
)
from syscast.ir.types import BOOL, I64, U64, Const, IntType, PtrType, Reg, Slot, Space, Value
from syscast.state.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

    from syscast.btf.lookup import Btf
    from syscast.diagnostics import Diagnostic, Span
    from syscast.frontend.python.source import FunctionSource, SourceText
    from syscast.frontend.python.unit import Unit
    from syscast.ir.builder import Builder
    from syscast.ir.intervals import Interval
    from syscast.ir.program import Loop, ProgramContext
    from syscast.spec.meta import SchemaMeta
    from syscast.state.structs import Struct

Handler = Callable[["Lowering", ast.expr], Lowered]
TruthHandler = Callable[["Lowering", ast.expr, Lowered], "Value | None"]
"""Whether a value counts as true; None where it has no truth value."""
CallHandler = Callable[["Lowering", ast.Call], Lowered]
MethodHandler = Callable[["Lowering", ast.Call, Lowered], Lowered]
"""A call of a method; the last argument is what it is called on."""


class StateHandlers(Protocol):
    """How state that probes share with Python is lowered; see `stateful`."""

    def item(self, low: Lowering, node: ast.Subscript, state: State) -> Lowered:
        """``state[key]``."""
        ...

    def copied(self, low: Lowering, node: ast.expr, value: ElementValue) -> Lowered:
        """A struct in a map as a value of its own."""
        ...

    def contains(
        self,
        low: Lowering,
        node: ast.expr,
        state: State,
        where: ast.expr,
        key: tuple[ast.expr, Lowered],
    ) -> Value:
        """``key in state``."""
        ...

    def attribute(self, low: Lowering, node: ast.Attribute, base: Lowered) -> Lowered:
        """``state.name``, or a field of a struct in a map."""
        ...

    def method(self, receiver: Lowered, name: str) -> MethodHandler | None:
        """How a method of a state is called."""
        ...

    def assign(self, low: Lowering, target: ast.expr, value: tuple[ast.expr, Lowered]) -> bool:
        """``state[key] = value``; False where the target is no state's."""
        ...

    def augment(self, low: Lowering, statement: ast.AugAssign) -> bool:
        """``state[key] += value``; False where the target is no state's."""
        ...

    def delete(self, low: Lowering, target: ast.expr) -> bool:
        """``del state[key]``; False where the target is no state's."""
        ...

    def construct(self, low: Lowering, node: ast.Call, cls: type[Struct]) -> Lowered:
        """``SomeStruct(field=...)``."""
        ...

    def length(self, low: Lowering, node: ast.expr, state: State) -> Lowered:
        """``len(state)``."""
        ...


class Rejected(Exception):  # noqa: N818  (control flow inside the front end, never shown)
    """One finding; the statement it stands in is given up, the next one is still looked at."""

    def __init__(self, diagnostic: Diagnostic | None) -> None:
        super().__init__(diagnostic.message if diagnostic else "follows from a finding before")
        self.diagnostic = diagnostic


class Local:
    """A variable of the probe.

    Attributes:
        slot: Where its value lives.
        shape: A value whose description (not its register) fits whatever the slot holds.
        parts: Of a struct or event: the slot of each field; `slot` is the first.
    """

    def __init__(self, slot: Slot, shape: Lowered, parts: tuple[Slot, ...] = ()) -> None:
        self.slot = slot
        self.shape = shape
        self.parts = parts


class Flow(NamedTuple):
    """What is known of the variables at one place; see the attributes of `Lowering`."""

    assigned: frozenset[str]
    ranges: dict[str, Interval]


class InUse(NamedTuple):
    """Where a run keeps the map of a state that it uses; see `inuse`.

    Attributes:
        slot: Holds the map's address.
        site: Counts the runs that found none.
        span: The state's first use.
    """

    slot: Slot
    site: int
    span: Span


class LoopTarget:
    """Where ``break`` and ``continue`` of a loop go.

    Attributes:
        breaks: What is known at each ``break`` met so far.
        continues: What is known at each ``continue``, and at the body's end.
    """

    def __init__(self, break_to: str, continue_to: str) -> None:
        self.break_to = break_to
        self.continue_to = continue_to
        self.breaks: list[Flow] = []
        self.continues: list[Flow] = []


def joined(paths: list[dict[str, Interval]]) -> dict[str, Interval]:
    """Ranges that hold on each of several paths."""
    first, *others = paths
    for other in others:
        first = {name: join(each, other[name]) for name, each in first.items() if name in other}
    return dict(first)


class Returns(Protocol):
    """Where a function's ``return`` goes: out of the probe, or to the place of the call.

    Attributes:
        direct: The value is taken as it is, at the only return, and no block ends there.
    """

    direct: bool

    def give(self, low: Lowering, node: ast.AST, value: Lowered) -> None:
        """Take the value of one ``return``, None's for a bare one."""
        ...


class Gate(Protocol):
    """The filters that an event must pass before it is sent; see `admission`."""

    def admit(self, low: Lowering, node: ast.AST, event: EventValue) -> str:
        """Lower the filters; gives the label behind the event."""
        ...

    def field(self, low: Lowering, node: ast.Attribute, record: RecordValue) -> Lowered | None:
        """A field of the event that a filter asks for; None for a value of the envelope."""
        ...


class Sink:
    """Says that the values of the call at a node are wanted by somebody else than the expression."""

    def __init__(self, node: ast.expr, returns: Returns) -> None:
        self.node = node
        self.returns = returns
        self.taken = False


class Frame:
    """One function that is being lowered in place: what was called, and where."""

    def __init__(self, code: CodeType | None, name: str, site: Span) -> None:
        self.code = code
        self.name = name
        self.site = site


class Scope:
    """What belongs to one function alone; see the attributes of `Lowering`."""

    def __init__(
        self, text: SourceText, outer: FunctionSource | None, returns: Returns | None
    ) -> None:
        self.text: SourceText = text
        self.outer = outer
        self.returns = returns
        self.prefix: str = ""
        self.stored: frozenset[str] = frozenset()
        self.kept: frozenset[str] = frozenset()
        self.locals: dict[str, Local] = {}
        self.bound: dict[str, Lowered] = {}
        self.assigned: set[str] = set()
        self.poisoned: set[str] = set()
        self.ranges: dict[str, Interval] = {}
        self.constants: dict[str, PyValue] = {}
        self.held: dict[int, Lowered] = {}
        self.loops: list[LoopTarget] = []


class Lowering:
    """Lowers one function, and the functions it calls in place of the calls, for one context.

    Attributes:
        text: The file of the function at hand.
        outer: Its outer names.
        locals: Its variables met so far.
        bound: Its parameters that it never assigns: the arguments themselves.
        returns: Where its ``return`` goes.
        prefix: Tells its variables in ``wide`` from those of other functions, "" for the probe's.
        probe: The probe's function; None for expressions of a command line.
        stack: The calls that lead to it, outermost first.
        inlined: How many calls were lowered in place so far.
        gate: What events must pass; None where there are no filters.
        sink: Who takes the value of the call that is lowered next, where not the expression itself.
        assigned: Those that have a value on every path to here.
        wide: Variables (and joins) that some path gives a U64, so that all must.
        kept: Variables that live across a yield.
        joins: How many values of several branches were met so far.
        stored: Every name that the function assigns anywhere, and so a local throughout.
        lenient: A string that cannot be read is empty, and the event is sent (inferred fields).
        inferred: The schema of the event, where no class declares it.
        poisoned: Variables whose assignment was rejected; reading one is no new finding.
        ranges: Where integer variables are known to lie here, low and high inclusive.
        constants: Variables that stand for a Python object here (of a loop over constants).
        held: Expressions that have been evaluated already, by the identity of their nodes.
        loops: The loops around this place, the innermost last.
        heads: Loops of the function so far, for `Function.loops`.
        states: Gives the handlers of shared state, which few probes need.
        rooms: Buffers that all accesses to maps share, by use and size.
        in_use: The maps of states that the program finds before anything else, by name.
    """

    def __init__(  # noqa: PLR0913  (the surroundings of a function; all are needed, none has a default)
        self,
        unit: Unit,
        btf: Btf,
        context: ProgramContext,
        builder: Builder,
        text: SourceText,
        *,
        outer: FunctionSource | None,
        handlers: Mapping[type[ast.expr], Handler],
        calls: Mapping[int, CallHandler],
        methods: Mapping[tuple[type, str], MethodHandler],
        truths: Mapping[type, TruthHandler],
    ) -> None:
        self.unit = unit
        self.btf = btf
        self.context = context
        self.builder = builder
        self.text: SourceText = text
        self.outer = outer
        self.bound: dict[str, Lowered] = {}
        self.returns: Returns | None = None
        self.prefix: str = ""
        self.probe = outer
        self.stack: tuple[Frame, ...] = ()
        self.inlined = 0
        self.sink: Sink | None = None
        self.gate: Gate | None = None
        self.handlers = handlers
        self.calls = calls
        self.methods = methods
        self.truths = truths
        self.locals: dict[str, Local] = {}
        self.assigned: set[str] = set()
        self.wide: set[str] = set()
        self.kept: frozenset[str] = frozenset()
        self.poisoned: set[str] = set()
        self.lenient = False
        self.joins = 0
        self.stored: frozenset[str] = frozenset()
        self.inferred: SchemaMeta | None = None
        self.number: Slot | None = None
        self.diagnostics: list[Diagnostic] = []
        self.ranges: dict[str, Interval] = {}
        self.constants: dict[str, PyValue] = {}
        self.held: dict[int, Lowered] = {}
        self.loops: list[LoopTarget] = []
        self.heads: list[Loop] = []
        self.states: Callable[[], StateHandlers]
        self.rooms: dict[tuple[str, int], Slot] = {}
        self.in_use: dict[str, InUse] = {}

    # ------------------------------------------------------------ findings

    def rejection(self, node: ast.AST, message: str, hint: str = "") -> Rejected:
        """A finding at a node, to be raised: the statement is given up."""
        from syscast.frontend.python.cures import cure  # noqa: PLC0415  (only for messages)

        finding = self.text.diagnostic(node, message, hint or cure(message))
        if self.stack:
            calls = [f"called from {frame.site}" for frame in reversed(self.stack)]
            finding = msgspec.structs.replace(finding, notes=(*finding.notes, *calls[:_MAX_NOTES]))
        return Rejected(finding)

    def span(self, node: ast.AST) -> Span:
        """The source span of a node."""
        return self.text.span(node)

    def site(self, node: ast.AST, exception: str) -> int:
        """The counter of an exception at a node."""
        span = self.span(node)
        return self.unit.site(exception, span, self.text.line(span.line).strip())

    # ------------------------------------------------------------ functions

    def enter(self, scope: Scope) -> Scope:
        """Go on in another function; gives what to enter again to come back."""
        before = Scope(self.text, self.outer, self.returns)
        before.prefix, before.stored, before.kept = self.prefix, self.stored, self.kept
        before.locals, before.bound = self.locals, self.bound
        before.assigned, before.poisoned = self.assigned, self.poisoned
        before.ranges, before.constants = self.ranges, self.constants
        before.held, before.loops = self.held, self.loops
        self.text, self.outer, self.returns = scope.text, scope.outer, scope.returns
        self.prefix, self.stored, self.kept = scope.prefix, scope.stored, scope.kept
        self.locals, self.bound = scope.locals, scope.bound
        self.assigned, self.poisoned = scope.assigned, scope.poisoned
        self.ranges, self.constants = scope.ranges, scope.constants
        self.held, self.loops = scope.held, scope.loops
        return before

    def expr_into(self, node: ast.expr, returns: Returns) -> Lowered | None:
        """Lower an expression; None where it is a call whose every ``return`` went to ``returns``."""
        if not isinstance(node, ast.Call):
            return self.expr(node)
        sink = Sink(node, returns)
        before, self.sink = self.sink, sink
        try:
            value = self.expr(node)
        finally:
            self.sink = before
        return None if sink.taken else value

    # ------------------------------------------------------------ building

    def add(self, op: Op) -> None:
        """Append an op."""
        self.builder.add(op)

    def reg(self, type_: IntType | PtrType) -> Reg:
        """A fresh register."""
        return self.builder.register(type_)

    def expr(self, node: ast.expr) -> Lowered:
        """Lower an expression."""
        if id(node) in self.held:
            return self.held[id(node)]
        handler = self.handlers.get(type(node))
        if handler is None:
            name = type(node).__name__
            raise self.rejection(
                node,
                _OUTSIDE.get(name, f"{name} is not part of the probe language"),
                instead(node),
            )
        value = handler(self, node)
        if isinstance(value, ElementValue):
            return self.states().copied(self, node, value)
        return value

    def in_place(self, node: ast.expr) -> Lowered:
        """Lower what stands before a dot: a struct in a map is not copied for one of its fields."""
        if isinstance(node, ast.Subscript | ast.Attribute) and id(node) not in self.held:
            return self.handlers[type(node)](self, node)
        return self.expr(node)

    @contextlib.contextmanager
    def apart(self, failed: set[str], name: str) -> Iterator[None]:
        """Report what is wrong with one of several parts, note its name, and go on to the next."""
        try:
            yield
        except Rejected as rejected:
            failed.add(name)
            if rejected.diagnostic is not None:
                self.diagnostics.append(rejected.diagnostic)

    def method(self, receiver: Lowered, name: str) -> MethodHandler | None:
        """How to lower a method of a value (by its class here) or of a captured object (by its own)."""
        held = receiver.value if isinstance(receiver, PyValue) else receiver
        if isinstance(held, State | ItemValue):
            return self.states().method(receiver, name)
        owner = type(receiver.value) if isinstance(receiver, PyValue) else type(receiver)
        for each in owner.__mro__:
            handler = self.methods.get((each, name))
            if handler is not None:
                return handler
        return None

    def branch(self, node: ast.AST, cond: Value, then: str, other: str) -> None:
        """End the block with a branch."""
        self.add(Branch(cond, then, other, span=self.span(node)))

    def jump(self, label: str) -> None:
        """End the block, if it is still open, with a jump."""
        if not self.builder.terminated:
            self.add(Jump(label))

    def flow(self) -> Flow:
        """What is known of the variables here."""
        return Flow(frozenset(self.assigned), dict(self.ranges))

    def resume(self, *flows: Flow) -> None:
        """Go on where one or several paths meet."""
        self.assigned = set(frozenset.intersection(*(each.assigned for each in flows)))
        self.ranges = joined([each.ranges for each in flows])

    def buffer(self, name: str, size: int, *, kept: bool = False) -> tuple[Slot, Reg]:
        """A byte buffer and its address."""
        slot = self.builder.slot(name, None, size, kept=kept)
        address = self.reg(PtrType(Space.STACK))
        self.add(SlotAddr(address, slot))
        return slot, address

    # ------------------------------------------------------------ conversions

    def known(self, node: ast.expr, value: Lowered) -> Lowered:
        """Turn a Python constant into an IR value where it has one."""
        if not isinstance(value, PyValue):
            return value
        held = value.value
        if isinstance(held, bool):
            return boolean(held)
        if isinstance(held, enum.IntEnum | int):
            number = constant(int(held))
            if number is None:
                raise self.rejection(
                    node,
                    f"{int(held)} does not fit 64 bits",
                    "probes compute with 64-bit integers",
                )
            return number
        return value

    def integer(self, node: ast.expr, value: Lowered | None = None) -> IntValue:
        """An expression as an integer; booleans count as 0 and 1, as in Python."""
        value = self.known(node, self.expr(node) if value is None else value)
        if isinstance(value, IntValue):
            return value
        if isinstance(value, BoolValue):
            if isinstance(value.value, Const):
                return IntValue(Const(value.value.value, I64), I64)
            result = self.reg(I64)
            self.add(Convert(result, value.value, span=self.span(node)))
            return IntValue(result, I64)
        raise self.rejection(
            node,
            f"an integer is needed here, this is {self.describe(value)}",
            _hint_for(value, node),
        )

    def widen(self, node: ast.AST, value: Value, natural: IntType) -> Value:
        """A value of any integer type as I64 or U64, whichever the language gives that type."""
        kind = U64 if natural == U64 else I64
        if value.type == kind:
            return value
        result = self.reg(kind)
        self.add(Convert(result, value, span=self.span(node)))
        return result

    def truth(self, node: ast.expr, value: Lowered | None = None) -> Value:
        """Whether Python would take an expression for true."""
        if value is None and isinstance(node, ast.BoolOp):
            return self._truth_of_all(node)
        value = self.known(node, self.expr(node) if value is None else value)
        if isinstance(value, BoolValue):
            return value.value
        if isinstance(value, IntValue | PtrValue):
            result = self.reg(BOOL)
            zero = Const(0, value.value.type)
            if isinstance(value, IntValue):
                self.add(
                    ExactCompare(result, Predicate.NE, value.value, zero, span=self.span(node))
                )
            else:
                self.add(Compare(result, Predicate.NE, value.value, zero, span=self.span(node)))
            return result
        by_class = self.truths.get(type(value))
        if by_class is not None:
            found = by_class(self, node, value)
            if found is not None:
                return found
        if isinstance(value, PyValue) and (
            value.value is None
            or isinstance(value.value, str | bytes | tuple | set | frozenset | range)
        ):
            return Const(int(bool(value.value)), BOOL)
        raise self.rejection(
            node, f"{self.describe(value)} has no truth value in a probe", _hint_for(value, node)
        )

    def _truth_of_all(self, node: ast.BoolOp) -> Value:
        """``and`` and ``or`` where only the truth counts, so that operands may be of any sort."""
        stop_when = isinstance(node.op, ast.Or)
        answer = self.builder.slot("truth", BOOL, 1)
        end = self.builder.label("or" if stop_when else "and")
        flows: list[Flow] = []
        for position, operand in enumerate(node.values):
            truth = self.truth(operand)
            self.add(SlotStore(answer, truth, span=self.span(operand)))
            flows.append(self.flow())
            if position < len(node.values) - 1:
                more = self.builder.label("more")
                self.branch(operand, truth, *((end, more) if stop_when else (more, end)))
                self.builder.start(more)
        self.jump(end)
        self.builder.start(end)
        self.resume(*flows)
        result = self.reg(BOOL)
        self.add(SlotLoad(result, answer, span=self.span(node)))
        return result

    def describe(self, value: Lowered) -> str:
        """What a value is, for messages."""
        from syscast.btf.render import type_name  # noqa: PLC0415  (only messages need it)

        plain = _PLAIN.get(type(value))
        if plain is not None:
            return plain
        if isinstance(value, MethodValue):
            return f"the method {value.name}"
        if isinstance(value, PtrValue):
            place = "user" if value.space is Space.USER else "kernel"
            return f"a {place} pointer to {type_name(self.btf, value.pointee) if value.pointee else 'void'}"
        if isinstance(value, PyValue):
            return _describe_object(value.value)
        type_id = getattr(value, "type_id", 0)
        return f"a {type_name(self.btf, type_id)}" if type_id else "an event"


def _describe_object(held: object) -> str:
    if held is None:
        return "None"
    if isinstance(held, type):
        return f"the class {held.__name__}"
    if type(held).__module__ != "builtins" and not isinstance(held, enum.Enum):
        return f"the {type(held).__name__} object"
    return f"the {type(held).__name__} {held!r:.40}"


_MAX_NOTES = 6
"""Calls that a finding inside a function names, innermost first."""

_PLAIN: Mapping[type, str] = {
    IntValue: "an integer",
    BoolValue: "a bool",
    StrValue: "a string",
    TupleValue: "a tuple",
    StructValue: "a struct",
    ElementValue: "a struct in a map",
    ItemValue: "a key of an aggregation, which probes can only add to",
}

_OUTSIDE = {
    "ListComp": "a comprehension makes a list; a probe has no heap",
    "SetComp": "a comprehension makes a set; a probe has no heap",
    "DictComp": "a comprehension makes a dict; a probe has no heap",
    "GeneratorExp": "a generator expression is not part of the probe language",
    "List": "a list needs a heap; a probe has none",
    "Dict": "a dict needs a heap; a probe has none",
    "Set": "a set needs a heap; a probe has none",
    "Lambda": "a lambda is not part of the probe language",
    "Await": "await is not part of the probe language",
    "Yield": "yield may stand only as a statement of its own (`ret = yield`) at the function's top level",
    "YieldFrom": "yield from is not part of the probe language",
    "Starred": "`*` is not part of the probe language",
    "Slice": "a slice is not part of the probe language",
}


def _hint_for(value: Lowered, node: ast.expr) -> str:
    if isinstance(value, PyValue) and value.value is None and isinstance(node, ast.Call):
        return f"{ast.unparse(node.func)}() returns nothing: end it with `return VALUE`"
    if isinstance(value, PtrValue):
        return "read a member, compare it with None, or give it to a field of type sc.Pointer"
    if isinstance(value, ItemValue):
        return "to decide by a count, keep it in a Hash[K, u64](default=0)"
    if isinstance(value, PyValue) and isinstance(value.value, float):
        return "the kernel has no floating point; scale to integers"
    return ""
