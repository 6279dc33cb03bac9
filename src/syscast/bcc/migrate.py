"""From a C text to the nearest probes in Python: ``print(BPF(text=...).to_python())``.

A way to begin a migration, not a compiler: what has a counterpart in syscast's language is written in it, what has
none stands as a comment with its line of C. Functions become probes by the names that say where they go, or by what they
were attached to.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from pycparser import c_ast

from syscast.bcc.migratebody import Body, Source
from syscast.frontend.c.btftypes import KernelTypes
from syscast.frontend.c.compat import KernelFacts
from syscast.frontend.c.memberaliases import ALIASES
from syscast.frontend.c.names import Names
from syscast.frontend.c.parse import parse
from syscast.frontend.c.prelude import FOOTER, headers, prelude
from syscast.frontend.c.preprocess import preprocess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from syscast.frontend.c.surroundings import Surroundings
    from syscast.spec.tables import CDesc, TableMeta

_NAME = "/virtual/main.c"
_INTEGERS = {
    (size, signed): f"sc.{'i' if signed else 'u'}{size * 8}"
    for size in (1, 2, 4, 8)
    for signed in (False, True)
}
_HASHES = {
    "hash": "Hash",
    "lru_hash": "LruHash",
    "percpu_hash": "PerCpuHash",
    "lru_percpu_hash": "LruPerCpuHash",
}
_ARRAYS = {"array": "Array", "percpu_array": "PerCpuArray"}
_SENDERS = frozenset({"perf_output", "ringbuf"})
_DECORATORS = {
    "kprobe__": "kprobe",
    "kretprobe__": "kretprobe",
    "kfunc__": "fentry",
    "kretfunc__": "fexit",
    "tracepoint__": "tracepoint",
    "raw_tracepoint__": "raw_tracepoint",
}
_FIRST_WORD = re.compile(r"\w+")


class Target(NamedTuple):
    """Where a function is attached.

    Attributes:
        kind: syscast's decorator: ``kprobe``, ``tracepoint`` and so on.
        name: The kernel function, or ``category:event``.
    """

    kind: str
    name: str


def to_python(
    text: str,
    tables: Mapping[str, TableMeta],
    attached: Mapping[str, Target],
    surroundings: Surroundings,
    cflags: Sequence[str] = (),
) -> str:
    """The nearest Python.

    Args:
        text: The C, which is known to compile.
        tables: What it declares.
        attached: Where functions went whose names do not say it.
        surroundings: The kernel that it was compiled for.
        cflags: As it was compiled with.

    Raises:
        CompileError: The text is wrong.
    """
    tree, line_of = _parsed(text, surroundings, cflags)
    classes = _classes(tables.values())
    sections = [_HEADER, *(_event(name, desc) for name, desc in classes.values())]
    sections += [each for table in tables.values() if (each := _state(table))]
    events = {table: name for table, (name, _) in classes.items()}
    source = Source(text.splitlines(), line_of)
    names: dict[str, int] = {}
    probes = []
    for node in tree.ext:
        if isinstance(node, c_ast.FuncDef):
            target = attached.get(node.decl.name) or by_name(node.decl.name)
            if target is not None:
                body = Body(events, tables, source, target.kind)
                probes.append(_probe(node, target, body, names))
                if body.prints and _LINE not in sections:
                    sections.append(_LINE)
    return "\n\n".join([*sections, *probes]) + "\n"


_HEADER = '''"""Written by syscast from C for bcc: look it over. Comments show what has no counterpart."""

from typing import Annotated

import syscast as sc
from syscast import current, now'''
_LINE = """
class Line(sc.Event):
    text: Annotated[str, 128]"""


def by_name(name: str) -> Target | None:
    """Where a function goes by its own name; None where it does not say."""
    for prefix, kind in _DECORATORS.items():
        if name.startswith(prefix):
            rest = name.removeprefix(prefix)
            return Target(kind, rest.replace("__", ":", 1) if kind == "tracepoint" else rest)
    return None


def _parsed(
    text: str, surroundings: Surroundings, cflags: Sequence[str]
) -> tuple[c_ast.FileAST, Callable[[int, int], int]]:
    """The syntax tree, and the text's own line of a place in it."""
    facts = KernelFacts(surroundings, text)
    preprocessed = preprocess(
        text + FOOTER,
        _NAME,
        surroundings,
        cflags,
        macro=facts.macro,
        condition=facts.condition,
        prelude=prelude(surroundings.arch, wrapped=surroundings.syscall_wrapper()),
        headers=headers(text),
    )
    names = Names(KernelTypes(surroundings, ALIASES), facts)
    tree = parse(preprocessed, names.is_type, names.near_type)
    return tree, lambda line, column: preprocessed.places.span(line, column).line


def _classes(tables: Iterable[TableMeta]) -> dict[str, tuple[str, CDesc]]:
    """Name and members of the event of each table that sends some."""
    found = {}
    for table in tables:
        if table.type in _SENDERS and table.event is not None:
            words = table.event.name.removeprefix("struct ").removesuffix("_t").split("_")
            found[table.name] = ("".join(word.capitalize() for word in words), table.event)
    return found


def _event(name: str, desc: CDesc) -> str:
    fields = [f"    {each.name}: {_type(each.type)}" for each in desc.members if each.name]
    return "\n".join([f"\nclass {name}(sc.Event):", *(fields or ["    value: sc.u64"])])


def _type(desc: CDesc) -> str:
    if desc.kind == "bool":
        return "bool"
    if desc.kind == "pointer":
        return "sc.Pointer"
    if desc.kind == "array" and desc.element is not None:
        if desc.element.kind == "char":
            return "sc.Comm" if desc.count == 16 else f"Annotated[str, {desc.count}]"
        return f"Annotated[bytes, {desc.size}]"
    return _INTEGERS.get((desc.size, desc.signed), f"Annotated[bytes, {desc.size}]")


def _state(table: TableMeta) -> str:
    """The object that takes a table's place; nothing for what sends events."""
    key = _type(table.key) if table.key is not None else ""
    leaf = _type(table.leaf) if table.leaf is not None else ""
    if table.type in _SENDERS:
        return ""
    if table.type == "histogram":
        return f"{table.name} = sc.Log2Hist()"
    if table.type in _ARRAYS:
        return f"{table.name} = sc.{_ARRAYS[table.type]}[{leaf}]({table.max_entries})"
    record = any(
        each is not None and each.kind in {"struct", "union"} for each in (table.key, table.leaf)
    )
    if table.type in _HASHES and not record:
        return f"{table.name} = sc.{_HASHES[table.type]}[{key}, {leaf}](max_entries={table.max_entries}, default=0)"
    return f"# table {table.name}: {table.type} has no counterpart of this form"


def _probe(node: c_ast.FuncDef, target: Target, body: Body, taken: dict[str, int]) -> str:
    arguments = node.decl.type.args
    names = [each.name for each in (arguments.params if arguments is not None else ())][1:]
    lines = body.lines_of(node.body) or ["pass"]
    parameters = ", ".join(body.parameters(names))
    function = "_".join(_FIRST_WORD.findall(target.name))
    if target.kind in {"kretprobe", "fexit"}:
        function += "_return"
    taken[function] = taken.get(function, 0) + 1
    if taken[function] > 1:
        function += f"_{taken[function]}"
    decorator = f'@sc.{target.kind}("{target.name}")'
    return "\n".join(
        [f"\n{decorator}", f"def {function}({parameters}):", *(f"    {line}" for line in lines)]
    )
