"""What `syscast.bcc.migrate` must know of a whole C text before it writes a line of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pycparser import c_ast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from syscast.diagnostics import Span
    from syscast.spec.tables import TableMeta

LOGARITHMS = frozenset({"bpf_log2", "bpf_log2l"})
INCREMENTS = frozenset({"increment", "atomic_increment"})
_STEPS = frozenset({"p++", "++", "p--", "--"})


class Facts(NamedTuple):
    """What uses say of declarations.

    Attributes:
        comms: Members that bpf_get_current_comm fills.
        slots: What the slots of each histogram are: ``log2``, ``linear``, or ``mixed``.
    """

    comms: frozenset[str]
    slots: Mapping[str, str]


class Known(NamedTuple):
    """What became of the tables.

    Attributes:
        events: Class of the events of each table that sends some.
        metas: All tables.
        states: Class of the object that took a table's place; nothing for a table without.
    """

    events: Mapping[str, str]
    metas: Mapping[str, TableMeta]
    states: Mapping[str, str]


class Source(NamedTuple):
    """The C text, for comments.

    Attributes:
        files: The lines of each file.
        span: The user's place that a place of the syntax tree came from.
        name: The file that is the text itself.
    """

    files: Mapping[str, Sequence[str]]
    span: Callable[[int, int], Span]
    name: str

    def is_users(self, node: c_ast.Node) -> bool:
        """Whether a node is not of the text that the front end adds."""
        return node.coord is not None and self._place(node)[0] in self.files

    def quoted(self, node: c_ast.Node) -> list[str]:
        """A comment with every line of a node."""
        if node.coord is None:
            return ["# C without counterpart"]
        file, first = self._place(node)
        places = [self._place(each) for each in walk(node) if each.coord is not None]
        last = max(line for path, line in places if path == file)
        lines = self.files.get(file, ())
        where = "" if file == self.name else f" of {file.rpartition('/')[2]}"
        return [
            f"# C, line {number}{where}: {lines[number - 1].strip()}"
            for number in range(first, last + 1)
            if number <= len(lines) and lines[number - 1].strip()
        ] or [f"# C, line {first}{where}"]

    def _place(self, node: c_ast.Node) -> tuple[str, int]:
        place = node.coord
        assert place is not None
        span = self.span(place.line, place.column or 1)
        return span.file, span.line


def walk(node: c_ast.Node) -> Iterator[c_ast.Node]:
    """A node and all that is in it."""
    yield node
    for _, child in node.children():
        yield from walk(child)


def facts_of(tree: c_ast.Node) -> Facts:
    """The facts of a syntax tree."""
    comms: set[str] = set()
    logarithms: set[str] = set()
    used: list[tuple[str, c_ast.Node]] = []
    for node in walk(tree):
        match node:
            case c_ast.FuncCall(name=c_ast.ID(name="bpf_get_current_comm"), args=args) if args:
                filled = pointee(args.exprs[0])
                if isinstance(filled, c_ast.StructRef):
                    comms.add(filled.field.name)
            case c_ast.FuncCall(
                name=c_ast.StructRef(name=c_ast.ID(name=table), field=c_ast.ID(name=method)),
                args=args,
            ) if args and method in INCREMENTS:
                used.append((table, args.exprs[0]))
            case (
                c_ast.Decl(name=name, init=value)
                | c_ast.Assignment(lvalue=c_ast.ID(name=name), rvalue=value)
            ) if log2_of(value) is not None:
                logarithms.add(name)
            case _:
                pass
    slots: dict[str, str] = {}
    for table, slot in used:
        word = "log2" if log2_of(slot) is not None else "linear"
        if any(isinstance(each, c_ast.ID) and each.name in logarithms for each in walk(slot)):
            word = "mixed"
        slots[table] = word if slots.get(table, word) == word else "mixed"
    return Facts(frozenset(comms), slots)


def log2_of(node: c_ast.Node | None) -> c_ast.Node | None:
    """What a logarithm is taken of; None for what is none."""
    match node:
        case c_ast.FuncCall(name=c_ast.ID(name=name), args=args) if args and name in LOGARITHMS:
            found: c_ast.Node = args.exprs[0]
            return found
        case _:
            return None


def pointee(node: c_ast.Node) -> c_ast.Node:
    """What an address is of; the node itself for a pointer or an array."""
    node = without_casts(node)
    if isinstance(node, c_ast.UnaryOp) and node.op == "&":
        return node.expr
    return node


def without_casts(node: c_ast.Node) -> c_ast.Node:
    """A value before it was cast."""
    while isinstance(node, c_ast.Cast):
        node = node.expr
    return node


def changed(node: c_ast.Node) -> Iterator[str]:
    """Variables that a statement may change."""
    for each in walk(node):
        match each:
            case c_ast.Decl(name=name) if name:
                yield name
            case c_ast.Assignment(lvalue=c_ast.ID(name=name)):
                yield name
            case c_ast.UnaryOp(op=op, expr=c_ast.ID(name=name)) if op == "&" or op in _STEPS:
                yield name
            case _:
                pass
