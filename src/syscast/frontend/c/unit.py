"""What one text declares: types, tables, functions, constants; and what its programs may call."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from pycparser import c_ast

from syscast.diagnostics import Diagnostic, Span
from syscast.errors import SyscastError
from syscast.frontend.c import literals, packets, tables
from syscast.frontend.c.builtins import builtins
from syscast.frontend.c.declare import Declarations, attributes, has_attribute
from syscast.frontend.c.dialect import Dialect
from syscast.frontend.c.emitter import ANY
from syscast.frontend.c.globals import Global, global_place
from syscast.frontend.c.handlers import HANDLERS
from syscast.frontend.c.lowering import Lowering, UserFunction
from syscast.frontend.c.methods import lower_method
from syscast.frontend.c.names import Entity, Names
from syscast.frontend.c.rejected import Rejected
from syscast.frontend.c.tables import BadTable, Declared, Table
from syscast.frontend.c.tracepoints import PREFIX, define, names_of
from syscast.frontend.c.types import FunctionType, Record, find_member
from syscast.frontend.c.values import Place
from syscast.ir.types import Const

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from syscast.frontend.c.lowering import Handler
    from syscast.frontend.c.preprocessed import Preprocessed
    from syscast.frontend.c.surroundings import Surroundings
    from syscast.frontend.c.types import CType
    from syscast.frontend.c.values import CValue, Operand

LICENSE = "license"
OUR_LICENSE = "__sc_license"
_MOST_FINDINGS = 20


class TableName(Entity):
    """A table, as a name of the text."""

    __slots__ = ("record", "table")

    def __init__(self, table: Table, record: CType) -> None:
        self.table: Table = table
        self.record: CType = record


class Unit:
    """One text while it is lowered.

    Attributes:
        names: What its names mean.
        functions: Functions that its programs may call.
        programs: Functions that are programs, in order.
        license: Of the programs.
        places: Where each table is declared.
        findings: What is wrong.
        warnings: What is doubtful.
    """

    def __init__(self, surroundings: Surroundings, names: Names, text: Preprocessed) -> None:
        self.surroundings = surroundings
        self.names = names
        self.functions: dict[str, UserFunction] = {}
        self.programs: list[UserFunction] = []
        self.license: str = "GPL"
        self.places: dict[str, c_ast.Node] = {}
        self.findings: list[Diagnostic] = []
        self.warnings: list[Diagnostic] = []
        self.dialect: Dialect = Dialect(surroundings, self._struct)
        self._places = text.places
        self._spans: dict[tuple[int, int | None], Span] = {}
        self._defined: set[str] = set()
        self._own_license = False
        self._builtins = builtins(self.dialect)
        self._declarations = Declarations(
            names, surroundings.arch, self._fail, type_of=self._type_of
        )
        self._lowering: list[Lowering] = []

    def _struct(self, tag: str) -> CType:
        return self.names.tag("struct", tag)

    # ------------------------------------------------------------ places and findings

    def span(self, node: c_ast.Node) -> Span | None:
        """Where a node stands in the user's text, or the macro that it comes from."""
        coord = node.coord
        if coord is None or not coord.line:
            return None
        key = (coord.line, coord.column)
        found = self._spans.get(key)
        if found is None:
            found = self._spans[key] = self._places.span(*key)
        return found

    def diagnostic(self, node: c_ast.Node | None, message: str, hint: str = "") -> Diagnostic:
        """A finding at a node, with the source line."""
        coord = None if node is None else node.coord
        if coord is None or not coord.line:
            return Diagnostic(message, Span("", 0), hint=hint)
        return self._places.diagnostic(coord.line, coord.column, message, hint)

    def report(self, diagnostic: Diagnostic) -> None:
        """Collect what makes the compilation fail; the rest of the text is still looked at."""
        if diagnostic not in self.findings and len(self.findings) < _MOST_FINDINGS:
            self.findings.append(diagnostic)

    def warn(self, diagnostic: Diagnostic) -> None:
        """Collect what the user should know."""
        if diagnostic not in self.warnings:
            self.warnings.append(diagnostic)

    def _fail(self, node: c_ast.Node, message: str, hint: str = "") -> NoReturn:
        raise Rejected(self.diagnostic(node, message, hint))

    # ------------------------------------------------------------ what the lowering asks

    @property
    def builtins(self) -> Mapping[str, Handler]:
        """What lowers calls of names that no user function has."""
        return self._builtins

    @property
    def tables(self) -> Mapping[str, object]:
        """Tables of the text by name."""
        return self.dialect.tables

    def methods(self, low: Lowering, table: object, method: str, call: c_ast.FuncCall) -> CValue:
        """Lower ``table.method(...)``."""
        assert isinstance(table, Table)
        return lower_method(self.dialect, low, table, method, call)

    def entity(self, low: Lowering, entity: Entity, node: c_ast.Node) -> Operand:
        """The value or place of a name of the text that is no local, enumerator or type."""
        if isinstance(entity, TableName):
            if low.unevaluated:
                return Place(entity.record, ptr=Const(0, ANY))
            hint = f"call its methods: {entity.table.name}.lookup(&key)"
            low.error(node, f"table '{entity.table.name}' is no value", hint)
        assert isinstance(entity, Global)
        return global_place(low, entity, node)

    def ctype(self, low: Lowering, node: c_ast.Node) -> CType:
        """The type that a Typename, or the type part of a declaration, means here."""
        with self._inside(low):
            return self._declarations.of(node)

    def declare(self, low: Lowering, node: c_ast.Node) -> None:
        """Take in a typedef or a struct, union or enum declared inside a function."""
        with self._inside(low):
            self._take_type(node)

    def _inside(self, low: Lowering) -> _Inside:
        return _Inside(self._lowering, low)

    def _type_of(self, node: c_ast.Node) -> CType:
        """The type of an expression, for typeof and sizeof in declarations."""
        low = self._lowering[-1] if self._lowering else Lowering(self, HANDLERS)
        return low.type_of(node)

    def load_packet(self, low: Lowering, place: Place) -> CValue:
        """Read a member of a packet struct."""
        return packets.load_member(low, place)

    def store_packet(self, low: Lowering, place: Place, value: CValue) -> CValue:
        """Write a member of a packet struct."""
        return packets.store_member(low, place, value)

    # ------------------------------------------------------------ declarations of the file

    def take(self, tree: c_ast.FileAST) -> None:
        """Take in everything that the text declares; what is wrong is reported, and the next looked at."""
        for node in tree.ext:
            try:
                self._take(node)
            except Rejected as rejected:
                if rejected.diagnostic is not None:
                    self.report(rejected.diagnostic)
            except RecursionError:
                self.report(self.diagnostic(node, "this is nested too deeply"))

    def _take(self, node: c_ast.Node) -> None:
        if isinstance(node, c_ast.FuncDef):
            self._take_function(node)
        elif isinstance(node, c_ast.Typedef) or (isinstance(node, c_ast.Decl) and not node.name):
            self._take_type(node)
        elif isinstance(node, c_ast.Decl):
            self._take_variable(node)
        elif not isinstance(node, c_ast.Pragma | c_ast.StaticAssert):
            self._fail(node, "this is no declaration")

    def _take_type(self, node: c_ast.Node) -> None:
        if isinstance(node, c_ast.Typedef):
            self._declarations.typedef(node)
        else:
            assert isinstance(node, c_ast.Decl)
            self._declarations.tag(node)

    def _take_variable(self, node: c_ast.Decl) -> None:
        section = _section(node)
        if section.startswith(tables.SECTION):
            self._take_table(node, section)
            return
        if section == LICENSE:
            self._take_license(node)
            return
        ctype = self._declarations.of(node)
        if isinstance(ctype, FunctionType):
            return  # a prototype says nothing that the definition, or a helper's table, does not
        self.names.declare(node.name, Global(node.name, ctype, node))

    def _take_license(self, node: c_ast.Decl) -> None:
        own = node.name != OUR_LICENSE
        if not own and self._own_license:
            return  # ours stands behind the text
        self._own_license = own
        if isinstance(node.init, c_ast.Constant) and node.init.type == "string":
            self.license = literals.string_bytes(node.init.value).decode("utf-8", "replace")

    def _take_function(self, node: c_ast.FuncDef) -> None:
        for tag in _tracepoints(node):
            self._define_tracepoint(tag, node)
        ctype = self._declarations.of(node.decl)
        if not isinstance(ctype, FunctionType):
            self._fail(node, f"'{node.decl.name}' is not a function")
        name: str = node.decl.name
        static = "static" in node.decl.storage or "inline" in node.decl.funcspec
        static = static or has_attribute(node.decl, "always_inline")
        function = UserFunction(name, node, ctype, static)
        if name in self._defined:
            self._fail(node, f"function '{name}' is defined twice")
        self._defined.add(name)
        if static:
            self.functions[name] = function
        else:
            self.programs.append(function)
            self._builtins[name] = _refuse_program

    def _define_tracepoint(self, tag: str, node: c_ast.FuncDef) -> None:
        record = self.names.tag("struct", tag)
        place = names_of(tag)
        if not isinstance(record, Record) or record.complete or place is None:
            return
        try:
            text = self.surroundings.tracepoint_format(*place)
        except SyscastError as error:
            self._fail(node, str(error))
        if text is None:
            self._fail(
                node,
                f"there is no tracepoint '{place[0]}:{place[1]}'",
                "see the directory events of tracefs (/sys/kernel/tracing/events)",
            )
        define(record, text, self.names, self.surroundings.arch)

    # ------------------------------------------------------------ tables

    def _take_table(self, node: c_ast.Decl, section: str) -> None:
        if node.name in self.dialect.tables:
            self._fail(node, f"table '{node.name}' is declared twice")
        ctype = self._declarations.of(node)
        if not isinstance(ctype, Record):
            self._fail(node, f"table '{node.name}' is no struct")
        key, leaf = find_member(ctype, "key"), find_member(ctype, "leaf")
        numbers = self._initial(node)
        declared = Declared(
            node.name,
            section,
            key.type if key else None,
            leaf.type if leaf else None,
            numbers.get("max_entries", 0),
            numbers.get("flags", 0),
        )
        rings = sum(each.ring >= 0 for each in self.dialect.tables.values())
        try:
            table = tables.make(declared, self.surroundings, rings)
        except BadTable as bad:
            self._fail(node, str(bad), bad.hint)
        self.dialect.tables[node.name] = table
        self.places[node.name] = node
        self.names.declare(node.name, TableName(table, ctype))

    def _initial(self, node: c_ast.Decl) -> dict[str, int]:
        """The numbers in a table's initialiser, by member."""
        found: dict[str, int] = {}
        if not isinstance(node.init, c_ast.InitList):
            return found
        for each in node.init.exprs:
            if isinstance(each, c_ast.NamedInitializer) and isinstance(each.name[0], c_ast.ID):
                name: str = each.name[0].name
                found[name] = self._declarations.constants.integer(
                    each.expr, f"{name} of table '{node.name}'"
                )
        return found


class _Inside:
    """While it is entered, types in declarations are those that a function sees."""

    def __init__(self, stack: list[Lowering], low: Lowering) -> None:
        self._stack = stack
        self._low = low

    def __enter__(self) -> None:
        self._stack.append(self._low)

    def __exit__(self, *_: object) -> None:
        self._stack.pop()


def _refuse_program(low: Lowering, call: c_ast.FuncCall) -> CValue:
    low.error(
        call,
        "cannot call non-static helper function",
        f"declare '{call.name.name}' static inline: functions that are not are programs",
    )


def _section(node: c_ast.Node) -> str:
    for each in attributes(node):
        if each.name == "section" and each.args and isinstance(each.args[0], c_ast.Constant):
            return literals.string_bytes(each.args[0].value).decode("utf-8", "replace")
    return ""


def _tracepoints(node: c_ast.FuncDef) -> Iterator[str]:
    """Tags of tracepoints' structs among the types of a function's parameters."""
    args = getattr(node.decl.type, "args", None)
    for each in args.params if args is not None else ():
        inner: c_ast.Node | None = getattr(each, "type", None)
        while inner is not None and not isinstance(inner, c_ast.Struct):
            inner = getattr(inner, "type", None)
        if inner is not None and str(inner.name or "").startswith(PREFIX):
            yield inner.name
