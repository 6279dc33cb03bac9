"""The first of the three answers: CPython, running the probe's own text with machine integers.

The text is run as it is but for what the language decides from the text alone: where a value is stored or comes out of several
branches it takes the kind that `kinds` found (OverflowError where it does not fit), a bool that is computed with is an integer, and
`wrap64` is told the operation inside it. All of it keeps the text's lines, so that a traceback names the line that the compiler must count.
"""

from __future__ import annotations

import ast
import copy
import operator
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, Unpack

from differential.integers import I64, U64, Machine, kind_of
from differential.kinds import CASTS, Kind, Kinds
from syscast.errors import LimitError
from syscast.events.event import Event
from syscast.events.schema import FIRST_FIELD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

_MASK = (1 << 64) - 1
_ENDLESS = 100_000
"""Rounds after which a loop that should have ended by itself raises LimitError, which the compiler's answer has not."""
_STORE = {Kind.I64: "_i64", Kind.U64: "_u64"}
_MODULAR = (ast.Add, ast.Sub, ast.Mult, ast.BitAnd, ast.BitOr, ast.BitXor, ast.LShift)


class Raised(NamedTuple):
    """The exception that ended a run."""

    exception: str
    line: int


class Outcome(NamedTuple):
    """What one run of a probe did.

    Attributes:
        events: Class name and payload of each event, in order.
        raised: What ended the run, None where it went to its end.
    """

    events: tuple[tuple[str, bytes], ...]
    raised: Raised | None


class _FieldError(OverflowError):
    """A field that does not fit, at the line of its value."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line


class Reference:
    """One probe in CPython.

    Args:
        text: The module's text, with one function ``probe``.
        names: What the text may use.
        parameters: Kinds of the probe's parameters.
    """

    def __init__(
        self, text: str, file: str, names: Mapping[str, object], parameters: Mapping[str, Kind]
    ) -> None:
        tree = ast.parse(text, file)
        functions = {each.name: each for each in tree.body if isinstance(each, ast.FunctionDef)}
        probe = functions.pop("probe")
        made: list[ast.stmt] = []
        kinds = Kinds(probe, parameters, functions)
        made.append(_Instrument(kinds, made, functions).visit(copy.deepcopy(probe)))
        tree.body = made
        ast.fix_missing_locations(tree)
        self._file = file
        self._sent: list[tuple[str, bytes]] = []
        space: dict[str, object] = {**names, **_RUNTIME, "emit": self._emit}
        exec(compile(tree, file, "exec"), space)  # noqa: S102  (that is what it is for)
        self._probe: object = space["probe"]

    def run(self, arguments: Sequence[Machine | str]) -> Outcome:
        """Run it once."""
        self._sent = []
        raised = None
        assert callable(self._probe)
        try:
            made: object = self._probe(*arguments)
            if made is not None:
                self._emit(made)
        except _FieldError as error:
            raised = Raised("OverflowError", error.line)
        except Exception as error:  # noqa: BLE001  (whatever a probe can raise is an answer)
            raised = Raised(type(error).__name__, self._line(error.__traceback__))
        return Outcome(tuple(self._sent), raised)

    def _emit(self, event: object) -> None:
        assert isinstance(event, Event)
        self._sent.append((type(event).__name__, payload(event)))

    def _line(self, trace: TracebackType | None) -> int:
        line = 0
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == self._file:
                line = trace.tb_lineno
            trace = trace.tb_next
        return line


def payload(event: Event) -> bytes:
    """An event's bytes as a record holds them."""
    size, places = _layout(type(event))
    raw = bytearray(size)
    for (offset, width), value in zip(places, event._raw[FIRST_FIELD:], strict=True):  # noqa: SLF001
        if isinstance(value, bytes):
            data = value
        else:
            data = int(value).to_bytes(width, "little", signed=value < 0)
        raw[offset : offset + width] = data
    return bytes(raw)


@cache
def _layout(cls: type[Event]) -> tuple[int, tuple[tuple[int, int], ...]]:
    """Bytes of an event's payload; offset and size of each field."""
    schema = cls.schema(0)
    return schema.size, tuple((field.offset, field.size) for field in schema.fields)


# ---------------------------------------------------------------- what the instrumented text calls


def _i64(value: int) -> I64:
    return I64.fitted(int(value))


def _u64(value: int) -> U64:
    return U64.fitted(int(value))


class _Rounds:
    """Counts the rounds of one loop."""

    def __init__(self, limit: int) -> None:
        self.left = limit


def _round(rounds: _Rounds, going: object) -> bool:
    """Whether a loop goes on; LimitError where it would go on past its limit."""
    if not going:
        return False
    if not rounds.left:
        raise LimitError("loop: went past its limit")
    rounds.left -= 1  # of a loop that must end by itself there are enough
    return True


def _numbers(kind: str, items: Iterable[int]) -> Iterator[Machine]:
    """The items of a loop in the kind of its variable."""
    made = U64 if kind == "u64" else I64
    for each in items:
        yield made.fitted(int(each))


def _range(*ends: int) -> range:
    return range(*map(int, ends))


def _extreme(better: Callable[[int, int], bool]) -> Callable[[Unpack[tuple[int, ...]]], int]:
    """``min`` or ``max`` of numbers, each intermediate one in the kind of those so far."""

    def chosen(*values: int) -> int:
        best = values[0] if isinstance(values[0], Machine) else _plain(values[0])
        for value in values[1:]:
            kinds = {type(best), kind_of(value)}
            wide = kinds == {U64} or (U64 in kinds and better is operator.gt)
            best = (U64 if wide else I64).fitted(int(value if better(value, best) else best))
        return best

    return chosen


def _plain(value: int) -> Machine:
    return (U64 if value > I64.high else I64).fitted(int(value))


def _cast(name: str) -> Callable[[int], Machine]:
    """``u16`` and the like: the value if it fits."""
    bits, signed = int(name[1:]), name[0] == "i"
    low = -(1 << (bits - 1)) if signed else 0

    def cast(value: int) -> Machine:
        if not low <= value < low + (1 << bits):
            raise OverflowError(f"{int(value)} does not fit {name}")
        return (U64 if name == "u64" else I64)(value)

    return cast


def _shifted_left(value: int, count: int) -> int:
    """``value << count`` where only 64 bits of it count."""
    return 0 if count >= 64 else value << int(count)


def _make(cls: type[Event], lines: Mapping[str, int], **values: object) -> Event:
    """An event; a field that does not fit raises at its value's line, in the order declared."""
    for field in cls._fields:
        text = values.get(field.name)
        if field.type.kind == "str" and isinstance(text, str):
            values[field.name] = text[: field.type.size - 1]  # a field cuts what it cannot hold
    try:
        return cls(**values)
    except (OverflowError, ValueError):
        for field in cls._fields:
            try:
                field.encode(values[field.name])
            except OverflowError:
                raise _FieldError(lines[field.name]) from None
        raise


_RUNTIME: dict[str, object] = {
    "_i64": _i64,
    "_u64": _u64,
    "_make": _make,
    "min": _extreme(operator.lt),
    "max": _extreme(operator.gt),
    **{name: _cast(name) for name in CASTS if name[1:].isdigit()},
    "_Rounds": _Rounds,
    "_round": _round,
    "_numbers": _numbers,
    "range": _range,
    "_raw": int,
    "len": lambda text: I64(len(text)),
    "user_str": lambda text, size=256: text[: size - 1],
    "_shl": _shifted_left,
    "wrap64": lambda value: U64(int(value) & _MASK),
    "wrap32": lambda value: I64(int(value) & 0xFFFF_FFFF),
    "int": lambda value: value if isinstance(value, Machine) else _plain(int(value)),
}


# ---------------------------------------------------------------- the text


class _Instrument(ast.NodeTransformer):
    """Writes the language's conversions out."""

    def __init__(
        self,
        kinds: Kinds,
        made: list[ast.stmt],
        functions: Mapping[str, ast.FunctionDef],
        returns: Kind = Kind.OTHER,
    ) -> None:
        self._kinds = kinds
        self._made = made
        self._functions = functions
        self._returns = returns
        self._temporaries = 0

    def visit_Return(self, node: ast.Return) -> ast.AST:
        """What a function gives back takes one kind."""
        if node.value is not None:
            value = node.value
            node.value = self._converted(self._returns, value, self._visited(value))
        return node

    def _called(self, node: ast.Call) -> ast.AST:
        """A call of a function: each call gets a copy of its own, with the kinds that it has there."""
        assert isinstance(node.func, ast.Name)
        inside = self._kinds.callee(node)
        function = copy.deepcopy(self._functions[node.func.id])
        instrument = _Instrument(inside, self._made, self._functions, inside.returned())
        function = instrument.visit(function)
        node.func.id = function.name = f"{function.name}_{len(self._made)}_{node.col_offset}"
        self._made.insert(0, function)
        self.generic_visit(node)
        return node

    # Values that are stored take the variable's kind.

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        """``x = value``."""
        value = node.value
        targets = node.targets
        if isinstance(targets[0], ast.Tuple) and isinstance(value, ast.Call):  # divmod
            node.value = self._visited(value)
            return node
        if isinstance(targets[0], ast.Tuple) and isinstance(value, ast.Tuple):
            pairs = zip(targets[0].elts, value.elts, strict=True)
            parts = [self._stored(target, part) for target, part in pairs]
            node.value = ast.copy_location(ast.Tuple(parts, ast.Load()), value)
        else:
            made = self._visited(value)
            for target in targets:
                made = self._converted(self._kind_of_target(target), value, made)
            node.value = made
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        """``x: int = value``."""
        assert node.value is not None
        node.value = self._stored(node.target, node.value)
        node.annotation = ast.copy_location(ast.Constant(None), node.annotation)
        return node

    def visit_NamedExpr(self, node: ast.NamedExpr) -> ast.AST:
        """``(x := value)``."""
        node.value = self._stored(node.target, node.value)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        """``x += value`` as ``x = x + value``."""
        assert isinstance(node.target, ast.Name)
        load = ast.copy_location(ast.Name(node.target.id, ast.Load()), node.target)
        changed = ast.copy_location(ast.BinOp(load, node.op, node.value), node)
        store = ast.copy_location(ast.Name(node.target.id, ast.Store()), node.target)
        return ast.copy_location(ast.Assign([store], self._stored(store, changed)), node)

    def _stored(self, target: ast.expr, value: ast.expr) -> ast.expr:
        return self._converted(self._kind_of_target(target), value, self._visited(value))

    def _kind_of_target(self, target: ast.expr) -> Kind:
        assert isinstance(target, ast.Name)
        return self._kinds.variables.get(target.id, Kind.OTHER)

    # Values out of several branches take one kind.

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        """``a if c else b``."""
        kind = self._kinds.of(node)
        node.test = self._truth(node.test)
        node.body = self._converted(kind, node.body, self._visited(node.body))
        node.orelse = self._converted(kind, node.orelse, self._visited(node.orelse))
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        """``a and b`` as ``_i64(t) if not (t := a) else _i64(b)``: only what decides is converted."""
        kind = self._kinds.of(node)
        if kind not in _STORE:
            node.values = [self._visited(each) for each in node.values]
            return node
        made = self._converted(kind, node.values[-1], self._visited(node.values[-1]))
        for each in reversed(node.values[:-1]):
            self._temporaries += 1
            name = f"_t{self._temporaries}"
            kept = ast.NamedExpr(ast.Name(name, ast.Store()), self._visited(each))
            decided = self._converted(kind, each, ast.Name(name, ast.Load()))
            branches = (made, decided) if isinstance(node.op, ast.And) else (decided, made)
            made = ast.copy_location(ast.IfExp(kept, *branches), each)
            ast.fix_missing_locations(made)
        return made

    # Where only the truth counts, nothing is converted.

    def visit_If(self, node: ast.If) -> ast.AST:
        """``if``."""
        return self._tested(node)

    def visit_While(self, node: ast.While) -> list[ast.AST]:
        """``while``; of ``bounded`` each loop counts its rounds."""
        self._temporaries += 1
        name = f"_rounds{self._temporaries}"
        limit: ast.expr | None = None
        if isinstance(node.test, ast.Call) and getattr(node.test.func, "id", "") == "bounded":
            limit, node.test = node.test.keywords[0].value, node.test.args[0]
        made = self._tested(node)
        if limit is None:
            limit = ast.Constant(_ENDLESS)
        begin = ast.Assign([ast.Name(name, ast.Store())], _call("_Rounds", node.test, limit))
        going = _call("_round", node.test, ast.Name(name, ast.Load()), node.test)
        node.test = going
        return [ast.copy_location(begin, node), made]

    def visit_For(self, node: ast.For) -> ast.AST:
        """``for``: numbers have the kind of the loop's variable."""
        kind = self._kind_of_target(node.target)
        self.generic_visit(node)
        if kind in _STORE:
            node.iter = _call("_numbers", node.iter, ast.Constant(kind.value), node.iter)
        return node

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        """``assert``."""
        return self._tested(node)

    def _tested(self, node: ast.If | ast.While | ast.Assert) -> ast.AST:
        test = node.test
        node.test = ast.copy_location(ast.Constant(value=True), test)
        self.generic_visit(node)
        node.test = self._truth(test)
        return node

    def _truth(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.BoolOp):
            node.values = [self._truth(each) for each in node.values]
            return node
        return self._visited(node)

    # Operands.

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        """``-x``, and ``not x``."""
        if isinstance(node.op, ast.Not):
            node.operand = self._truth(node.operand)
        else:
            node.operand = self._number(node.operand)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """``a + b``."""
        node.left, node.right = self._number(node.left), self._number(node.right)
        return node

    def _number(self, node: ast.expr) -> ast.expr:
        """An operand; a bool that is computed with is an integer."""
        made = self._visited(node)
        if self._kinds.of(node) is Kind.BOOL and not isinstance(node, ast.Constant):
            return self._converted(Kind.I64, node, made)
        return made

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        """``x in range(...)``: CPython walks through the range for any x that is not an int itself."""
        self.generic_visit(node)
        for index, each in enumerate(node.comparators):
            if isinstance(each, ast.Call) and getattr(each.func, "id", "") == "range":
                assert index == 0
                node.left = _call("_raw", node.left, node.left)
        return node

    # Calls.

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Calls of the language."""
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in {"wrap32", "wrap64"}:
            node.args = [self._modular(node.args[0])]
            return node
        if name in self._functions:
            return self._called(node)
        if name == "bool":
            node.args = [self._truth(each) for each in node.args]
            return node
        self.generic_visit(node)
        if node.keywords and name[:1].isupper():
            lines = ast.Dict(
                [ast.Constant(each.arg) for each in node.keywords],
                [ast.Constant(each.value.lineno) for each in node.keywords],
            )
            node.args = [node.func, lines]
            node.func = ast.Name("_make", ast.Load())
            ast.copy_location(node.func, node)
            ast.copy_location(lines, node)
        return node

    def _modular(self, node: ast.expr) -> ast.expr:
        """An expression inside ``wrap64``: computed with numbers without end, and cut there."""
        if isinstance(node, ast.BinOp) and isinstance(node.op, _MODULAR):
            left = self._modular(node.left)
            if isinstance(node.op, ast.LShift):
                return _call("_shl", node, left, self._number(node.right))
            node.left, node.right = left, self._modular(node.right)
            return node
        if isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.Not):
            node.operand = self._modular(node.operand)
            return node
        return _call("_raw", node, self._visited(node))

    def _visited(self, node: ast.expr) -> ast.expr:
        made: object = self.visit(node)
        assert isinstance(made, ast.expr)
        return made

    def _converted(self, kind: Kind, node: ast.expr, made: ast.expr) -> ast.expr:
        if kind not in _STORE:
            return made
        return _call(_STORE[kind], node, made)


def _call(name: str, at: ast.expr, *arguments: ast.expr) -> ast.expr:
    made = ast.Call(ast.Name(name, ast.Load()), list(arguments), [])
    ast.copy_location(made, at)
    ast.copy_location(made.func, at)
    return made
