"""What ``syscast snapshot`` shows of a table: the rows of its own, or the user's expressions."""

from __future__ import annotations

import ast
import re
from types import CodeType, FunctionType, MappingProxyType
from typing import TYPE_CHECKING, NoReturn

import click

from syscast.btf.record import Record
from syscast.diagnostics import CompileError, Diagnostic, Span
from syscast.errors import UsageError
from syscast.session.plan import Job
from syscast.session.snapshot import KIND

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from enum import IntEnum

    from syscast.btf.lookup import Btf
    from syscast.compiler.driver import Expressions
    from syscast.events.event import Event
    from syscast.probes.kind import Target

    Texts = Mapping[str, Callable[[Event], str]]

_NO_TEXTS: Texts = MappingProxyType({})


class Rows(Record):
    """How a table is read and shown.

    Attributes:
        job: What to compile.
        hidden: Fields that are there for the sake of others.
        texts: Fields that are shown as what a function of the row says.
    """

    job: Job
    hidden: frozenset[str] = frozenset()
    texts: Texts = _NO_TEXTS


class Wish(Record):
    """What the command line asks for.

    Attributes:
        texts: The expressions of the columns; the table's own columns without any.
        condition: Of ``--if``, or None.
        state: Of ``--state``, or None.
        map: Id of the map whose elements are wanted, or None.
    """

    texts: tuple[str, ...] = ()
    condition: str | None = None
    state: str | None = None
    map: int | None = None


def make(target: Target, types: Btf, wish: Wish) -> Rows:
    """Decide what a row of a table is.

    Args:
        target: The table.
        types: The BTF that declares it.
        wish: What is asked for.

    Raises:
        CompileError: An expression does not parse, or names no column.
        UsageError: The table has no states, or none of this name.
    """
    if not wish.texts:
        made = _of_functions(target, types, wish)
        if made is not None:
            return made
    return _of_texts(target, types, wish)


def _of_functions(target: Target, types: Btf, wish: Wish) -> Rows | None:
    """The tables whose rows are made by functions."""
    from syscast.cli import rowsnet, rowstask  # noqa: PLC0415  (only for tables' own rows)
    from syscast.events.where import Where  # noqa: PLC0415

    name = target.name
    factory = {**rowsnet.FUNCTIONS, **rowstask.FUNCTIONS}.get(name)
    if factory is None:
        if wish.state is not None:
            _no_states(name)
        return None
    event = {**rowsnet.EVENTS, **rowstask.EVENTS}[name]
    fields = event.__match_args__
    conditions = []
    if wish.state is not None:
        _, states = _states(name)
        conditions.append(_condition(f"state == {_state(states, wish.state)}", fields, name))
    if wish.condition is not None:
        conditions.append(_condition(wish.condition, fields, name))
    where = Where(conditions) if conditions else None
    job = Job(KIND + name, "probe", factory(types), name, where=where)
    if name == "unix":
        return Rows(job, frozenset({"length"}), {"path": rowsnet.unix_path})
    return Rows(job)


def _of_texts(target: Target, types: Btf, wish: Wish) -> Rows:
    """The tables whose columns are expressions, the user's or our own."""
    from syscast.cli import expressions, rowtexts  # noqa: PLC0415  (once it is known what is shown)

    texts = list(wish.texts)
    if not texts:
        if target.name == "bpf_map_elem" and wish.map is None:
            raise click.UsageError(
                f"{target.name} has the elements of one map: give its id with --map"
            )
        sizes = _sizes(wish.map) if wish.map is not None else (0, 0)
        texts = rowtexts.texts(target, types, sizes)
        if not texts:
            raise UsageError(
                f"iterator '{target.name}': show: its elements have no plain members (give expressions)"
            )
    condition = wish.condition
    if wish.state is not None:
        path, states = _states(target.name)
        test = f"{path} == {_state(states, wish.state)}"
        condition = test if condition is None else f"({test}) and ({condition})"
    body = _with_columns(expressions.parse(texts, condition), target)
    shown: Texts = _NO_TEXTS
    if not wish.texts and target.name == "cgroup":
        shown = {"path": _cgroup_path()}
    return Rows(Job(KIND + target.name, "probe", body, target.name), texts=shown)


def _with_columns(body: Expressions, target: Target) -> Expressions:
    """The condition with each column's name replaced by its expression."""
    if body.condition is None:
        return body
    tree, text = body.condition
    arguments = {each.name for each in target.arguments}
    columns = {label: node for label, node, _ in body.fields if label not in arguments}

    class Columns(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            found = columns.get(node.id)
            if found is None:
                return node
            copy: ast.expr = ast.parse(ast.unparse(found), mode="eval").body
            for each in ast.walk(copy):
                ast.copy_location(each, node)
            return copy

    replaced: ast.expr = Columns().visit(tree)
    return type(body)(body.fields, (replaced, text))


def _condition(text: str, fields: Sequence[str], table: str) -> Callable[[Event], object]:
    """A function of a row from the text of a condition over its columns."""
    from syscast.cli import expressions  # noqa: PLC0415  (only with conditions)

    parsed = expressions.parse((), text).condition
    assert parsed is not None
    tree, source = parsed
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id not in fields:
            start = node.col_offset + 1
            span = Span(source.file, node.lineno, start, node.lineno, start + len(node.id))
            message = f"no such column: '{node.id}'"
            hint = f"the columns are {', '.join(fields)}; give expressions to look at all that {table} has"
            raise CompileError([Diagnostic(message, span, source.line(node.lineno), hint)])
    return _function(re.sub(r"\s+", " ", text.strip()), fields)


def _function(text: str, fields: Sequence[str]) -> Callable[[Event], object]:
    """``lambda row: row.port < 1024``, in a form whose source can be read again."""
    import linecache  # noqa: PLC0415  (only with conditions)

    tree = ast.parse(text, mode="eval")

    class Members(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            if node.id not in fields:
                return node
            return ast.Attribute(ast.Name("row", ast.Load()), node.id, ast.Load())

    line = f"condition = lambda row: {ast.unparse(Members().visit(tree))}\n"
    file = f"<--if {text}>"
    linecache.cache[file] = (len(line), None, [line], file)
    module = compile(line, file, "exec")
    code = next(each for each in module.co_consts if isinstance(each, CodeType))
    return FunctionType(code, {}, "condition")


def _states(table: str) -> tuple[str, type[IntEnum]]:
    from syscast.cli.rowsnet import STATES  # noqa: PLC0415  (with --state only)

    found = STATES.get(table)
    if found is None:
        _no_states(table)
    return found


def _no_states(table: str) -> NoReturn:
    from syscast.cli.rowsnet import STATES  # noqa: PLC0415  (only when refused)

    raise click.UsageError(
        f"--state: the rows of '{table}' have no states (those of {', '.join(STATES)} have)"
    )


def _state(states: type[IntEnum], name: str) -> int:
    wanted = name.upper().replace("-", "_").removeprefix("TCP_")
    wanted = {"ESTAB": "ESTABLISHED", "UNCONN": "CLOSE", "CLOSED": "CLOSE"}.get(wanted, wanted)
    found = states.__members__.get(wanted)
    if found is None:
        raise click.UsageError(
            f"--state: there is no state '{name}' (there are: {', '.join(states.__members__)})"
        )
    return int(found)


def _sizes(number: int) -> tuple[int, int]:
    """Bytes of the keys and values of a map."""
    from syscast.kernel.bpfinfo import by_id, map_info  # noqa: PLC0415  (elements of maps only)

    with by_id("map", number) as held:
        info = map_info(held)
    return info.key_size, info.value_size


def _cgroup_path() -> Callable[[Event], str]:
    from syscast.symbols.cgroups import Cgroups  # noqa: PLC0415  (cgroups only)

    known = Cgroups()

    def path(event: Event) -> str:
        number: object = getattr(event, "path", 0)
        return (known.path(number) if isinstance(number, int) else None) or "-"

    return path
