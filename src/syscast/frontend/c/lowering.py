"""One program function of C on its way to IR: what the handlers of nodes and of builtins work with.

A handler gets the `Lowering` and its node, asks for the values of the node's children by `expr`,
`lvalue` or `condition`, and emits ops. Which handler lowers which node is in the tables that
`handlers` has, so that handlers may import this module and not the other way round.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn, Protocol, TypeAlias

from syscast.frontend.c import arithmetic, conversions, memory
from syscast.frontend.c.emitter import Emitter
from syscast.frontend.c.names import Entity
from syscast.frontend.c.rejected import Rejected
from syscast.frontend.c.types import (
    FunctionType,
    Pointer,
    TypeProblem,
    Void,
    is_integer,
)
from syscast.frontend.c.unitfacts import UnitFacts
from syscast.frontend.c.values import CValue, Operand, Place
from syscast.ir import ops
from syscast.ir.builder import Builder
from syscast.ir.types import Const, Reg

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pycparser import c_ast

    from syscast.diagnostics import Diagnostic
    from syscast.frontend.c.names import Names
    from syscast.frontend.c.types import CType
    from syscast.ir.types import Value

MAX_OPS = 60_000
"""Operations in a program; the kernel looks at a million instructions, a branch reaches 32767."""
_NOWHERE = 1 << 30  # first register of what is thrown away: none of them is one that stays


class Unit(UnitFacts, Protocol):
    """What the lowering of a function needs of the text: names, tables, functions, builtins."""

    @property
    def functions(self) -> Mapping[str, UserFunction]:
        """Functions with a body that calls may name, by name."""
        ...

    @property
    def builtins(self) -> Mapping[str, Handler]:
        """What lowers calls of names that no user function has: helpers, ``__builtin_*``, bcc's own."""
        ...

    @property
    def tables(self) -> Mapping[str, object]:
        """Tables of the text by name."""
        ...

    def methods(self, low: Lowering, table: object, method: str, call: c_ast.FuncCall) -> CValue:
        """Lower ``table.method(...)``."""
        ...

    @property
    def names(self) -> Names:
        """What names mean; the lowering opens its scopes and declares locals there."""
        ...

    def entity(self, low: Lowering, entity: Entity, node: c_ast.Node) -> Operand:
        """The value or place of a name of the text that is no local, enumerator or type."""
        ...

    def ctype(self, low: Lowering, node: c_ast.Node) -> CType:
        """The type that a Typename, or the type part of a declaration, means here."""
        ...

    def declare(self, low: Lowering, node: c_ast.Node) -> None:
        """Take in a typedef or a struct, union or enum declared inside a function."""
        ...

    def load_packet(self, low: Lowering, place: Place) -> CValue:
        """Read a member of a packet struct."""
        ...

    def store_packet(self, low: Lowering, place: Place, value: CValue) -> CValue:
        """Write a member of a packet struct."""
        ...


@dataclass(frozen=True, slots=True)
class Local(Entity):
    """A local variable, or a parameter that is a constant; None where its declaration was wrong."""

    what: Operand | None


@dataclass(frozen=True, slots=True)
class UserFunction:
    """A function of the text with a body.

    Attributes:
        name: Its name.
        node: The definition.
        ctype: Its type, parameters with names.
        static: Declared ``static`` or ``inline``.
    """

    name: str
    node: c_ast.FuncDef
    ctype: FunctionType
    static: bool = False


OperandHandler: TypeAlias = "Callable[[Lowering, c_ast.Node], Operand]"
StatementHandler: TypeAlias = "Callable[[Lowering, c_ast.Node], None]"
Handler: TypeAlias = "Callable[[Lowering, c_ast.FuncCall], CValue]"
"""Lowers one call; what a builtin of the dialect is."""


@dataclass(frozen=True, slots=True)
class Handlers:
    """Which function lowers which class of node.

    Attributes:
        branch: Ends the block by a condition: at ``then`` if it holds, else at ``other``.
    """

    operands: Mapping[type, OperandHandler]
    statements: Mapping[type, StatementHandler]
    branch: Callable[[Lowering, c_ast.Node, str, str], None]


@dataclass(slots=True)
class Frame:
    """One function that is being lowered: the program itself, or a copy of one that it calls.

    Attributes:
        returns: What it returns.
        end: Label behind the copy; "" in the program itself.
        result: Where a copy puts what it returns; None for void.
        labels: Of C labels, the block's label.
        met: C labels whose statement was lowered.
        gotos: C labels that statements jump to.
        addressed: Names of which some expression takes the address.
        assigned: Names that some statement changes.
    """

    function: UserFunction
    returns: CType
    end: str = ""
    result: Place | None = None
    labels: dict[str, str] = field(default_factory=dict)
    met: set[str] = field(default_factory=set)
    gotos: list[tuple[str, c_ast.Node]] = field(default_factory=list)
    addressed: frozenset[str] = frozenset()
    assigned: frozenset[str] = frozenset()


@dataclass(slots=True)
class Jumps:
    """Where ``break`` and ``continue`` go; and of a switch, the labels of its cases by node id."""

    leave: str
    again: str | None = None
    cases: dict[int, str] = field(default_factory=dict)


class Lowering(Emitter):
    """Lowers one program function and what it calls.

    Attributes:
        unit: The text around it.
        frames: Functions being lowered, the innermost last.
        jumps: Loops and switches around the statement, the innermost last.
        texts: What string constants hold, by the register of their address.
        held_texts: The same of locals that are nothing else, by their slot.
        missing: Names that were told to be undeclared.
        changed: Of functions that were called, by the id of their node, the names of which they
            take the address, and those that they assign to.
        too_large: The program was told to have too many operations.
        unroll: A pragma asks to unroll the loop that comes next.
        alone: The last expression that was met as a statement: nobody takes its value.
        unevaluated: More than 0 while an operand of sizeof or typeof is looked at: nothing of that
            stays, and handlers must leave no trace in the unit.
    """

    unit: Unit
    builder: Builder

    def __init__(self, unit: Unit, handlers: Handlers) -> None:
        super().__init__(unit)
        self.unit: Unit = unit
        self.handlers = handlers
        self.frames: list[Frame] = []
        self.jumps: list[Jumps] = []
        self.missing: set[str] = set()
        self.changed: dict[int, tuple[frozenset[str], frozenset[str]]] = {}
        self.unroll: bool = False
        self.too_large: bool = False
        self.texts: dict[int, bytes] = {}
        self.held_texts: dict[int, bytes] = {}
        self.unevaluated: int = 0
        self.alone: c_ast.Node | None = None

    # ------------------------------------------------------------ expressions

    def operand(self, node: c_ast.Node) -> Operand:
        """What an expression comes to, a place not being read and an array not decayed.

        Raises:
            Rejected: It is wrong, or outside the language; so with everything below.
        """
        if self.emitted > MAX_OPS:
            self._stop(node)
        handler = self.handlers.operands.get(type(node))
        if handler is None:
            self.error(node, f"a {type(node).__name__} where an expression is wanted")
        before, self.node = self.node, node
        try:
            return handler(self, node)
        except TypeProblem as problem:
            raise Rejected(self.diagnostic(node, problem.message, problem.hint)) from None
        finally:
            self.node = before

    def _stop(self, node: c_ast.Node) -> NoReturn:
        """Give up a program that grows too large; told once, whatever is behind it."""
        if self.too_large:
            raise Rejected(None)
        self.too_large = True
        name = self.frames[0].function.name if self.frames else "this"
        message = f"'{name}' grows too large: more than {MAX_OPS} operations"
        finding = self.diagnostic(
            node, message, "functions are lowered in place of their calls: call fewer, or loop"
        )
        self.unit.report(finding)
        raise Rejected(None)

    def expr(self, node: c_ast.Node) -> CValue:
        """The value of an expression; arrays and functions decay to their address."""
        found = self.operand(node)
        if isinstance(found, CValue):
            return found
        before, self.node = self.node, node
        try:
            return self.rvalue(found)
        finally:
            self.node = before

    def lvalue(self, node: c_ast.Node) -> Place:
        """The place that an expression names."""
        found = self.operand(node)
        if isinstance(found, CValue):
            self.error(node, "this is no place that could be assigned to or have an address")
        return found

    def memory(self, node: c_ast.Node) -> Place:
        """The memory that an expression names, or that a struct value is held in."""
        found = self.operand(node)
        if isinstance(found, Place):
            return self.addressable(found)
        if conversions.in_memory(found.ctype):
            return Place(found.ctype, ptr=found.made)
        self.error(node, "this is no place in memory")

    def address(self, node: c_ast.Node) -> CValue:
        """``&node``: the address of the place, nothing read."""
        place = self.lvalue(node)
        if place.bits is not None:
            self.error(node, "a bit field has no address", "copy it to a variable first")
        return CValue(Pointer(place.ctype), self.pointer(place))

    def condition(self, node: c_ast.Node) -> Value:
        """Whether an expression is not zero, a bool."""
        return conversions.truth(self, self.expr(node))

    def integer(self, node: c_ast.Node, what: str = "this") -> CValue:
        """The value of an expression that must be an integer."""
        value = self.expr(node)
        if not is_integer(value.ctype):
            self.error(node, f"{what} is a '{value.ctype.spelling}', not an integer")
        return value

    def pointer_value(self, node: c_ast.Node, what: str = "this") -> CValue:
        """The value of an expression that must be a pointer; integers are taken for addresses."""
        value = self.expr(node)
        if isinstance(value.ctype, Pointer):
            return value
        if is_integer(value.ctype):
            return self.convert(value, Pointer(Void()))
        self.error(node, f"{what} is a '{value.ctype.spelling}', not a pointer")

    # ------------------------------------------------------------ places

    def rvalue(self, place: Place) -> CValue:
        """What a place holds."""
        if place.packet:
            return self.unit.load_packet(self, place)
        value = memory.load(self, place)
        if place.slot is not None and isinstance(value.value, Reg):
            text = self.held_texts.get(place.slot.id)
            if text is not None:
                self.texts[value.value.id] = text
        return value

    def store(self, place: Place, value: CValue) -> CValue:
        """Put a value there, converted to the place's type; gives what the place then holds."""
        if place.packet:
            return self.unit.store_packet(self, place, value)
        return memory.store(self, place, value)

    def addressable(self, place: Place) -> Place:
        """The place in memory, for what needs an address."""
        if place.slot is None:
            return place
        return Place(place.ctype, ptr=self.slot_address(place.slot), own=True)

    def pointer(self, place: Place) -> Value:
        """The address of a place, a ``ptr<any>``."""
        return memory.pointer_to(self, place)

    def spilled(self, value: CValue, name: str = "value") -> Place:
        """A value in fresh memory, so that its address can be passed on."""
        place = self.buffer(value.ctype, name)
        self.store(place, value)
        return place

    def local(self, ctype: CType, name: str, *, addressed: bool = False) -> Place:
        """Room for a local variable: a scalar slot, or a buffer where its address is needed."""
        if conversions.is_scalar(ctype) and not addressed:
            type_ = conversions.ir_type(ctype)
            return Place(ctype, slot=self.builder.slot(name, type_, ctype.size))
        return self.buffer(ctype, name)

    def clear(self, place: Place) -> None:
        """Fill a place in memory with zeros."""
        memory.clear(self, place, place.ctype.size)

    # ------------------------------------------------------------ values and types

    def convert(self, value: CValue, ctype: CType) -> CValue:
        """The value as another type, C's way."""
        return conversions.convert(self, value, ctype)

    def binary(self, op: str, a: CValue, b: CValue) -> CValue:
        """``a op b``, C's way: promotions, the common type, pointers scaled."""
        return arithmetic.binary(self, op, a, b)

    def truth(self, value: CValue) -> Value:
        """A value as a condition, a bool."""
        return conversions.truth(self, value)

    def helper(self, name: str, args: tuple[Value, ...], ctype: CType) -> CValue:
        """Call a BPF helper (name without ``bpf_``) with values of the types that it takes."""
        if isinstance(ctype, Void):
            self.emit(ops.Helper(None, name, args))
            return CValue(ctype, None)
        if is_integer(ctype):
            wide = self.reg(conversions.WORD)
            self.emit(ops.Helper(wide, name, args))
            return CValue(ctype, self.convert_to(wide, conversions.ir_type(ctype)))
        result = self.reg(conversions.ir_type(ctype))
        self.emit(ops.Helper(result, name, args))
        return CValue(ctype, result)

    def ctype(self, node: c_ast.Node) -> CType:
        """The type that a Typename means."""
        return self.unit.ctype(self, node)

    def type_of(self, node: c_ast.Node) -> CType:
        """The type of an expression, an array's undecayed; evaluates nothing."""
        with self.nothing():
            return self.operand(node).ctype

    def constant(self, node: c_ast.Node) -> int | None:
        """The number of an expression that is known now, else None; evaluates nothing."""
        with self.nothing():
            try:
                return conversions.constant_of(self.expr(node))
            except Rejected:
                return None

    def needed_constant(self, node: c_ast.Node, what: str) -> int:
        """The number of an expression that must be known now."""
        found = self.constant(node)
        if found is None:
            self.expr(node)  # tells what is wrong with it, if something is
            self.error(node, f"{what} is not known when the text is compiled")
        return found

    @contextmanager
    def nothing(self) -> Iterator[None]:
        """Lower what shall leave no trace: its ops are thrown away."""
        before = self.builder
        self.builder = Builder(_NOWHERE)
        self.builder.start("nowhere")
        self.unevaluated += 1
        try:
            yield
        finally:
            self.unevaluated -= 1
            self.builder = before

    # ------------------------------------------------------------ statements

    def statement(self, node: c_ast.Node) -> None:
        """Lower one statement; what is wrong in it is reported, and the next one looked at.

        Raises:
            Rejected: Only while nothing is evaluated.
        """
        with self.reported(node):
            handler = self.handlers.statements.get(type(node))
            if handler is not None:
                handler(self, node)
            else:
                self.alone = node
                self.expr(node)

    @contextmanager
    def reported(self, node: c_ast.Node) -> Iterator[None]:
        """Lower a statement inside; what is wrong in it ends it, and is reported.

        Raises:
            Rejected: Only while nothing is evaluated.
        """
        before, self.node = self.node, node
        try:
            yield
        except TypeProblem as problem:
            self._report(self.diagnostic(node, problem.message, problem.hint))
        except Rejected as rejected:
            if self.unevaluated:
                raise
            if rejected.diagnostic is not None:
                self.unit.report(rejected.diagnostic)
        finally:
            self.node = before

    def _report(self, diagnostic: Diagnostic) -> None:
        if self.unevaluated:
            raise Rejected(diagnostic)
        self.unit.report(diagnostic)

    def branch_on(self, node: c_ast.Node, then: str, other: str) -> None:
        """End the block: go on at ``then`` where the expression is not zero, else at ``other``."""
        self.handlers.branch(self, node, then, other)

    def return_(self, value: CValue | None) -> None:
        """Return from the function that is being lowered, as ``return value;`` does."""
        frame = self.frames[-1]
        if value is not None and not isinstance(frame.returns, Void):
            value = self.convert(value, frame.returns)
        if frame.end:
            if frame.result is not None and value is not None:
                self.store(frame.result, value)
            self.jump(frame.end)
        elif value is None or value.value is None:
            self.emit(ops.Return())
        else:
            self.emit(ops.Return(self.convert_to(value.value, conversions.WORD)))

    def text_at(self, address: Value) -> bytes | None:
        """The string constant that an address is of, without its NUL."""
        return None if isinstance(address, Const) else self.texts.get(address.id)

    def finish(self) -> None:
        """End the program here, whichever function is being lowered."""
        self.emit(ops.Return())

    def declare(self, name: str, what: Operand | None) -> None:
        """Give a name of the innermost scope a meaning; None: its declaration was wrong, and that told."""
        self.unit.names.declare(name, Local(what))
