"""The way in: a probe's function, or expressions from a command line, to IR functions.

A target is seen by one program (``probe``) or by two, at entry and exit (``call``). In a call
probe, what the entry knows and the exit needs lives in kept slots; the pass ``calls`` keeps them
per task and call. A generator is cut at its yield; a plain function runs at the exit.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from syscast.diagnostics import CompileError, Diagnostic
from syscast.events.where import Where
from syscast.frontend.python import tally
from syscast.frontend.python.admission import Admission, Unfilterable
from syscast.frontend.python.arithmetic import (
    binary,
    boolean_operator,
    conditional,
    literal,
    unary,
)
from syscast.frontend.python.assignment import assign, walrus
from syscast.frontend.python.calls import CALLS, METHODS, call
from syscast.frontend.python.context import Lowering, Rejected
from syscast.frontend.python.eventing import (
    function_number,
    infer,
    layout,
    send,
    store,
)
from syscast.frontend.python.kepttext import keep_text, read_text_again, text_names
from syscast.frontend.python.members import attribute, name, tuple_display
from syscast.frontend.python.membership import compare
from syscast.frontend.python.parameter import Parameter
from syscast.frontend.python.parameters import (
    DURATION,
    RETURN,
    begin,
    match_parameters,
    source_of,
    without_owner,
)
from syscast.frontend.python.promises import broken_promises
from syscast.frontend.python.returns import OfProbe
from syscast.frontend.python.source import FunctionSource, SourceText, assigned_names
from syscast.frontend.python.statements import run
from syscast.frontend.python.strings import TRUTHS
from syscast.frontend.python.subscripts import subscript
from syscast.frontend.python.textformat import joined
from syscast.frontend.python.values import EventValue, IntValue, PtrValue
from syscast.frontend.python.yields import cut
from syscast.ir.builder import Builder
from syscast.ir.ops import (
    Checked,
    CheckedOp,
    Finish,
    Now,
    SlotLoad,
    Suspend,
)
from syscast.ir.program import FUNCTION, ArgFrom, Block, Function, ProgramContext
from syscast.ir.types import U64, Slot, Value
from syscast.spec.meta import FieldMeta

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.btf.lookup import Btf
    from syscast.frontend.python.context import Handler, StateHandlers
    from syscast.frontend.python.unit import Unit
    from syscast.frontend.python.values import Lowered

_HANDLERS: dict[type[ast.expr], Handler] = {
    ast.Constant: literal,
    ast.Name: name,
    ast.Attribute: attribute,
    ast.Subscript: subscript,
    ast.BinOp: binary,
    ast.UnaryOp: unary,
    ast.Compare: compare,
    ast.JoinedStr: joined,
    ast.BoolOp: boolean_operator,
    ast.IfExp: conditional,
    ast.Call: call,
    ast.Tuple: tuple_display,
    ast.NamedExpr: walrus,
    tally.Ready: tally.ready,
}

_START = "(start)"
"""Name of the hidden local that holds a call's start; no Python name can be it."""

_NAME_MAX = 80
_CLASS = re.compile(r" \(\d+\)$")
"""What tells the programs of one pattern apart; their events have one name."""


class Job(msgspec.Struct, frozen=True):
    """What to lower: where, under which name, and the parameters' and body's makers.

    Attributes:
        contexts: One, or entry and exit.
        body: Lowers what the probe does, once the parameters are locals.
        before: Lowers what a generator does before its yield; None for other probes.
        resumes: The name that takes the value of ``yield``, "" for none.
        uses: Names that the body reads; None means all parameters.
        where: Filters that events must pass.
    """

    probe: str
    contexts: tuple[ProgramContext, ...]
    text: SourceText
    node: ast.AST
    parameters: Callable[[Lowering], list[Parameter]]
    body: Callable[[Lowering], bool]
    outer: FunctionSource | None = None
    before: Callable[[Lowering], bool] | None = None
    resumes: str = ""
    uses: frozenset[str] | None = None
    where: Where | None = None


def lower_probe(
    unit: Unit,
    btf: Btf,
    source: FunctionSource,
    contexts: tuple[ProgramContext, ...],
    probe: str,
    *,
    where: Where | None = None,
) -> None:
    """Lower a probe's function and add what comes of it to the unit.

    Args:
        unit: The object that the probe becomes part of.
        btf: Types of the kernel compiled against.
        source: The function.
        contexts: One, or entry and exit.
        probe: The probe's name.
        where: Filters that events must pass.

    Raises:
        CompileError: With every independent finding.
    """
    unit.source(source.text)
    function = source.node

    def parameters(low: Lowering) -> list[Parameter]:
        return match_parameters(low, without_owner(low, function, source.instance), contexts)

    start, resumes, rest = cut(source, contexts)
    stored = assigned_names(function.body)

    def before(low: Lowering) -> bool:
        low.stored = stored
        return run(low, start or ())

    def lower_body(low: Lowering) -> bool:
        low.stored = stored
        low.diagnostics += broken_promises(source)
        return _send_inferred(low, probe, (), None) if _is_empty(rest) else run(low, rest)

    job = Job(
        probe,
        contexts,
        source.text,
        function,
        parameters,
        lower_body,
        source,
        None if start is None else before,
        resumes,
        None if _is_empty(rest) else frozenset(_loaded(rest)),
        where,
    )
    _lower(unit, btf, job)


def _is_empty(statements: Sequence[ast.stmt]) -> bool:
    """Whether a body is ``...``, behind a docstring perhaps: send what the parameters say."""
    return (
        bool(statements)
        and all(
            isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant)
            for each in statements
        )
        and isinstance(statements[-1], ast.Expr)
        and isinstance(statements[-1].value, ast.Constant)
        and statements[-1].value.value is ...
    )


def _loaded(parts: Sequence[ast.AST]) -> set[str]:
    return {node.id for each in parts for node in ast.walk(each) if isinstance(node, ast.Name)}


def lower_expressions(  # noqa: PLR0913  (each is a part of the command line)
    unit: Unit,
    btf: Btf,
    contexts: tuple[ProgramContext, ...],
    probe: str,
    *,
    fields: Sequence[tuple[str, ast.expr, SourceText]],
    condition: tuple[ast.expr, SourceText] | None,
    outer: FunctionSource | None = None,
    where: Where | None = None,
) -> None:
    """Lower a probe that sends the values of expressions, in fields inferred from their types.

    Without fields, the event has all arguments (and return value and duration, where known).

    Args:
        unit: The object that the probe becomes part of.
        btf: Types of the kernel compiled against.
        contexts: One, or entry and exit.
        probe: The probe's name.
        fields: Name, expression and text of each field.
        condition: Expression that must be true for an event to be sent.
        outer: Names that expressions may use beside the target's arguments.
        where: Filters that events must pass.
    """
    arguments = contexts[0].arguments
    last = contexts[-1]

    def parameters(_low: Lowering) -> list[Parameter]:
        anchor = ast.Name("", lineno=1, col_offset=0)
        found = [
            Parameter(each.name, index, anchor)
            for index, each in enumerate(arguments)
            if fields or each.where is not ArgFrom.NOWHERE
        ]
        names = {each.name for each in found}
        if last.returns is not None and "ret" not in names:
            found.append(Parameter("ret", RETURN, anchor))
        if len(contexts) > 1:
            found.append(Parameter("duration", DURATION, anchor))
        return [
            each
            for each in found
            if wanted is None or each.name in wanted or each.name == FUNCTION
        ]

    expressions = [each for _, each, _ in fields] + ([condition[0]] if condition else [])
    wanted = _loaded(expressions) if fields else None

    def body(low: Lowering) -> bool:
        return _send_inferred(low, probe, fields, condition)

    texts = [text for *_, text in fields] + ([condition[1]] if condition else [])
    if texts:
        text = texts[0]
    else:
        from syscast.frontend.python.source import SourceText  # noqa: PLC0415  (the rare way in)

        text = SourceText.of(f"<{last.target}>", last.target)
    for each in [*texts, text]:
        unit.source(each)
    node = ast.Name("", lineno=1, col_offset=0)
    _lower(unit, btf, Job(probe, contexts, text, node, parameters, body, outer, where=where))


def lower_tally(
    unit: Unit,
    btf: Btf,
    contexts: tuple[ProgramContext, ...],
    probe: str,
    wanted: tally.Tally,
    outer: FunctionSource,
) -> tuple[FieldMeta, ...]:
    """Lower a probe that counts; gives the types of its keys.

    Args:
        unit: The object that the probe becomes part of.
        btf: Types of the kernel compiled against.
        contexts: One, or entry and exit.
        probe: The probe's name.
        wanted: What it counts.
        outer: Names that expressions may use, and the state.

    Raises:
        CompileError: An expression is outside the language.
    """
    types: list[FieldMeta] = []

    def body(low: Lowering) -> bool:
        types.clear()  # lowered again where a variable needs the wider kind
        return tally.count(low, wanted, types)

    texts = wanted.texts() or [SourceText.of(f"<{probe}>", probe)]
    for text in texts:
        unit.source(text)
    node = ast.Name("", lineno=1, col_offset=0)
    parameters = tally.parameters(wanted, contexts)
    _lower(unit, btf, Job(probe, contexts, texts[0], node, lambda _low: parameters, body, outer))
    return tuple(types)


def _send_inferred(
    low: Lowering,
    probe: str,
    fields: Sequence[tuple[str, ast.expr, SourceText]],
    condition: tuple[ast.expr, SourceText] | None,
) -> bool:
    own = low.text
    nodes = [(label, node, text) for label, node, text in fields] or [
        (
            label,
            ast.copy_location(ast.Name(label, ast.Load()), ast.Name("", lineno=1, col_offset=0)),
            own,
        )
        for label in low.locals
        if label.isidentifier()  # what the front end keeps for itself has other names
    ]
    if condition is not None:
        low.text = condition[1]
        with low.apart(set(), "--if"):
            send_it, skip = low.builder.label("send"), low.builder.label("skip")
            low.branch(condition[0], low.truth(condition[0]), send_it, skip)
            low.builder.start(skip)
            low.add(Finish(span=low.span(condition[0])))
            low.builder.start(send_it)
    values: list[tuple[str, ast.expr, SourceText, Lowered]] = []
    for label, node, text in nodes:
        low.text = text
        try:
            values.append((label, node, text, low.known(node, low.expr(node))))
        except Rejected as rejected:
            if rejected.diagnostic is not None:
                low.diagnostics.append(rejected.diagnostic)
    low.text = own
    _send_values(low, probe, values, strict=bool(fields))
    return False


def _send_values(
    low: Lowering,
    probe: str,
    values: Sequence[tuple[str, ast.expr, SourceText, Lowered]],
    *,
    strict: bool,
) -> None:
    metas, chosen = [], []
    stored: list[tuple[str, Value]] = []
    anchor = ast.Name("", lineno=1, col_offset=0)
    if low.number is not None:
        name = "function"
        while any(label == name for label, *_ in values):
            name += "_"
        metas.append(FieldMeta(name, "function", 0, 8))
        stored.append((name, function_number(low, low.number, anchor)))
    for label, node, text, value in values:
        meta = infer(low, label, value)
        if meta is not None:
            metas.append(meta)
            chosen.append((node, text, value))
        elif strict:
            low.text = text
            low.diagnostics.append(
                low.rejection(
                    node, f"{low.describe(value)} cannot be a field", "name one of its members"
                ).diagnostic
                or Diagnostic("", low.span(node))
            )
    schema = low.unit.shared(layout(low.unit.next_schema, _CLASS.sub("", probe), metas))
    low.lenient = True
    rest = schema.fields[len(stored) :]
    for field, (node, text, value) in zip(rest, chosen, strict=True):
        low.text = text
        stored.append((field.name, store(low, node, field, value)))
    low.inferred = schema
    send(low, anchor, EventValue(schema.id, tuple(stored)))
    low.add(Finish())


# ---------------------------------------------------------------- one or two programs


def _lower(unit: Unit, btf: Btf, job: Job) -> None:
    """Lower, again if a variable turned out to need the wider kind."""
    wide: set[str] = set()
    first_id = unit.program_id()
    ids = [first_id, *(unit.program_id() for _ in job.contexts[1:])]
    while True:
        known = set(wide)
        try:
            functions, lows = _attempt(unit, btf, job, wide, ids)
        except RecursionError:
            finding = job.text.diagnostic(
                job.node,
                "this is nested too deeply",
                "give parts of expressions names, or call fewer functions inside each other",
            )
            raise CompileError([finding]) from None
        except Unfilterable as refused:
            assert job.where is not None
            if wide == known:
                job.where.refused = str(refused)
                job = msgspec.structs.replace(job, where=None)
            continue
        if wide != known:
            continue  # findings count once every value has the room it needs
        diagnostics = [finding for low in lows for finding in low.diagnostics]
        if diagnostics:
            unique = {
                (each.span.file, each.span.line, each.span.column, each.message): each
                for each in diagnostics
            }
            raise CompileError([unique[key] for key in sorted(unique)])
        break
    for low in lows:
        if low.inferred is not None and low.inferred.id == unit.next_schema:
            unit.add_schema(low.inferred)
    for function in functions:
        unit.add(function)


def _attempt(
    unit: Unit, btf: Btf, job: Job, wide: set[str], ids: Sequence[int]
) -> tuple[list[Function], list[Lowering]]:
    def lowering(context: ProgramContext, slots: Sequence[Slot] = ()) -> Lowering:
        low = Lowering(
            unit,
            btf,
            context,
            Builder(slots=slots),
            job.text,
            outer=job.outer,
            handlers=_HANDLERS,
            calls=CALLS,
            methods=METHODS,
            truths=TRUTHS,
        )
        low.wide = wide
        low.returns = OfProbe()
        low.states = _states
        low.gate = None if job.where is None else Admission(job.where)
        low.builder.start("entry")
        return low

    first = lowering(job.contexts[0])
    if len(job.contexts) == 1:
        _guarded(first, lambda: _simple(first, job))
        return [_function(first, job, ids[0], "probe")], [first]
    _guarded(first, lambda: _entry(first, job))
    keeps = tuple(slot for slot in first.builder.slots() if slot.kept)
    last = lowering(job.contexts[1], keeps)
    _guarded(last, lambda: _exit(last, job, first))
    return [
        _function(first, job, ids[0], "entry", keeps),
        _function(last, job, ids[1], "exit", keeps),
    ], [first, last]


def _states() -> StateHandlers:
    from syscast.frontend.python.stateful import HANDLERS  # noqa: PLC0415  (few probes have state)

    return HANDLERS


def _guarded(low: Lowering, lower: Callable[[], None]) -> None:
    """Run a part that may be rejected outside any statement."""
    try:
        lower()
    except Rejected as rejected:
        if rejected.diagnostic is not None:
            low.diagnostics.append(rejected.diagnostic)
        if not low.builder.terminated:
            low.add(Finish())


def _simple(low: Lowering, job: Job) -> None:
    for parameter in _matched(low, job):
        with low.apart(low.poisoned, parameter.name):
            value = begin(low, parameter, source_of(low.context, parameter.index))
            _assign_parameter(low, parameter, value)
    _remember_number(low)
    if job.body(low):
        low.add(Finish(span=low.span(job.node)))


def _remember_number(low: Lowering) -> None:
    """Of a program on many targets: where it keeps which one it runs at."""
    if FUNCTION in low.locals:
        low.number = low.locals[FUNCTION].slot


def _matched(low: Lowering, job: Job) -> Sequence[Parameter]:
    """The parameters; none where one is wrong, and the body is still looked at."""
    try:
        return job.parameters(low)
    except Rejected as rejected:
        if rejected.diagnostic is None or not isinstance(job.node, ast.FunctionDef):
            raise
        low.diagnostics.append(rejected.diagnostic)
        low.poisoned |= {node.arg for node in ast.walk(job.node.args) if isinstance(node, ast.arg)}
        return ()


def _assign_parameter(low: Lowering, parameter: Parameter, value: Lowered) -> None:
    anchor = ast.Name(parameter.name)
    assign(low, ast.copy_location(anchor, parameter.node), parameter.name, value)


def _entry(low: Lowering, job: Job) -> None:
    """The entry program: parameters, what stands before the yield, then keep what is needed."""
    parameters = _matched(low, job)
    needed = job.uses if job.uses is not None else frozenset(each.name for each in parameters)
    if job.before is not None:
        needed -= {job.resumes}
    needed |= {each.name for each in parameters if each.name == FUNCTION}
    low.kept = needed | {_START}
    for parameter in parameters:
        if parameter.index == DURATION:
            start = low.reg(U64)
            low.add(Now(start, span=low.span(parameter.node)))
            assign(
                low,
                ast.copy_location(ast.Name(_START), parameter.node),
                _START,
                IntValue(start, U64),
            )
        elif parameter.index != RETURN and (job.before is not None or parameter.name in needed):
            with low.apart(low.poisoned, parameter.name):
                value = begin(low, parameter, source_of(low.context, parameter.index))
                if isinstance(value, PtrValue) and value.text:
                    keep_text(low, parameter, value)
                else:
                    _assign_parameter(low, parameter, value)
    _remember_number(low)
    if job.before is None or job.before(low):
        low.add(Suspend(span=low.span(job.node)))


def _exit(low: Lowering, job: Job, entry: Lowering) -> None:
    """The exit program: what was kept, the return value, then the rest of the body."""
    for label, local in entry.locals.items():
        if local.slot.kept:
            low.locals[label] = local
            if label in entry.assigned:
                low.assigned.add(label)
    _remember_number(low)
    low.poisoned = set(entry.poisoned)
    for parameter in _matched(low, job):
        if parameter.index == RETURN:
            with low.apart(low.poisoned, parameter.name):
                value = begin(low, parameter, source_of(low.context, RETURN))
                _assign_parameter(low, parameter, value)
        elif parameter.index == DURATION:
            _assign_parameter(low, parameter, _duration(low, parameter))
        elif text_names(parameter)[1] in low.locals:
            read_text_again(low, parameter)
    if job.resumes:
        if low.context.returns is None:
            raise low.rejection(
                job.node, f"{low.context.target} returns nothing", "write a bare `yield`"
            )
        resumed = Parameter(
            job.resumes, RETURN, ast.copy_location(ast.Name(job.resumes), job.node)
        )
        _assign_parameter(low, resumed, begin(low, resumed, source_of(low.context, RETURN)))
    if job.body(low):
        low.add(Finish(span=low.span(job.node)))


def _duration(low: Lowering, parameter: Parameter) -> IntValue:
    node = parameter.node
    end, start, span = low.reg(U64), low.reg(U64), low.span(node)
    low.add(Now(end, span=span))
    low.add(SlotLoad(start, low.locals[_START].slot, span=span))
    result = low.reg(U64)
    low.add(Checked(result, CheckedOp.SUB, end, start, low.site(node, "OverflowError"), span=span))
    return IntValue(result, U64)


def _blocks(low: Lowering) -> tuple[Block, ...]:
    if not low.in_use:
        return low.builder.blocks()
    from syscast.frontend.python.inuse import with_maps  # noqa: PLC0415  (few probes have state)

    return with_maps(low)


def _name_of(probe: str) -> str:
    """A name that the kernel takes in BTF: no digit first, and not over KSYM_NAME_LEN."""
    plain = re.sub(r"\W", "_", probe, flags=re.ASCII)[-_NAME_MAX:]
    return f"_{plain}" if plain[:1].isdigit() else plain or "probe"


def _function(
    low: Lowering, job: Job, number: int, role: str, keeps: tuple[Slot, ...] = ()
) -> Function:
    base = _name_of(job.probe)
    paired = role != "probe"
    return Function(
        f"{base}_{number}",
        _blocks(low),
        low.builder.slots(),
        low.context,
        role,
        pair=f"{base}_{number if role == 'entry' else number - 1}" if paired else "",
        id=number,
        probe=job.probe,
        keeps=keeps,
        span=low.span(job.node),
        loops=tuple(low.heads),
    )
