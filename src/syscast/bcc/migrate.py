"""From a C text to the nearest probes in Python: ``print(BPF(text=...).to_python())``.

A way to begin a migration, not a compiler: what has a counterpart in syscast's language is written in it, what has
none stands as a comment with its line of C. Functions become probes by the names that say where they go, or by what they
were attached to.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from pycparser import c_ast

from syscast.bcc.migratebody import Body
from syscast.bcc.migratefacts import Facts, Known, Source, facts_of
from syscast.errors import SyscastError
from syscast.frontend.c.btftypes import KernelTypes
from syscast.frontend.c.compat import KernelFacts
from syscast.frontend.c.memberaliases import ALIASES
from syscast.frontend.c.names import Names
from syscast.frontend.c.parse import parse
from syscast.frontend.c.prelude import FOOTER, headers, prelude
from syscast.frontend.c.preprocess import preprocess

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

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
_STACKS = frozenset({"stacktrace", "stack_trace"})
_SHOWN = 8
"""Places of one function that comments name."""
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
        kind: syscast's decorator: ``kprobe``, ``tracepoint`` and so on; nothing where there is none.
        name: The kernel function, or ``category:event``.
        note: What the decorator does not say.
    """

    kind: str
    name: str
    note: str = ""


class Text(NamedTuple):
    """A C text.

    Attributes:
        text: The C, which is known to compile.
        path: Of its file, beside which it includes others; nothing for a text without.
        cflags: As it was compiled with.
        programs: Functions that are programs.
    """

    text: str
    path: str = ""
    cflags: Sequence[str] = ()
    programs: Sequence[str] = ()


def to_python(
    text: Text,
    tables: Mapping[str, TableMeta],
    attached: Mapping[str, Sequence[Target]],
    surroundings: Surroundings,
) -> str:
    """The nearest Python; the C as comments where it can be read no more, as its files may have changed.

    Args:
        text: The C.
        tables: What it declares.
        attached: Where functions went whose names do not say it.
        surroundings: The kernel that it was compiled for.
    """
    try:
        tree, source = _parsed(text, surroundings)
    except SyscastError as error:
        lines = ["the C cannot be read:", *str(error).splitlines(), "", *text.text.splitlines()]
        return "\n".join(f"# {line}".rstrip() for line in lines) + "\n"
    facts = facts_of(tree)
    classes = _classes(tables.values())
    sections = [_HEADER, *(_event(name, desc, facts) for name, desc in classes.values())]
    states = {table.name: _state(table, facts) for table in tables.values()}
    sections += [line for line, _ in states.values() if line]
    known = Known(
        {table: name for table, (name, _) in classes.items()},
        tables,
        {name: word for name, (_, word) in states.items()},
    )
    names: dict[str, int] = {}
    probes = []
    for node in tree.ext:
        if isinstance(node, c_ast.FuncDef) and node.decl.name in text.programs:
            name = node.decl.name
            own = by_name(name)
            targets = attached.get(name) or ([own] if own is not None else [])
            body = Body(known, source, targets[0].kind if targets else "", _parameters(node))
            probes.append(_probe(node, targets, body, names))
            if body.prints and _LINE not in sections:
                sections.append(_LINE)
        elif _matters(node, tables) and source.is_users(node):
            probes.append("\n".join(source.quoted(node)))
    return "\n\n".join([*sections, *probes]) + "\n"


def _matters(node: c_ast.Node, tables: Mapping[str, TableMeta]) -> bool:
    """Whether a declaration is one of a function that is no program, or of a variable."""
    if isinstance(node, c_ast.FuncDef):
        return True
    return (
        isinstance(node, c_ast.Decl)
        and bool(node.name)
        and node.name not in tables
        and not isinstance(node.type, c_ast.FuncDecl)
        and not node.name.startswith("__sc_")
    )


def _parameters(node: c_ast.FuncDef) -> list[str]:
    arguments = node.decl.type.args
    return [
        getattr(each, "name", None) or ""
        for each in (arguments.params if arguments is not None else ())
    ]


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


def _parsed(given: Text, surroundings: Surroundings) -> tuple[c_ast.FileAST, Source]:
    """The syntax tree, and the text for comments."""
    text, name = given.text, given.path or _NAME
    facts = KernelFacts(surroundings, text)
    preprocessed = preprocess(
        text + FOOTER,
        name,
        surroundings,
        given.cflags,
        macro=facts.macro,
        condition=facts.condition,
        prelude=prelude(surroundings.arch, wrapped=surroundings.syscall_wrapper()),
        headers=headers(text),
    )
    names = Names(KernelTypes(surroundings, ALIASES), facts)
    tree = parse(preprocessed, names.is_type, names.near_type)
    files = {
        path: read.splitlines()
        for path, read in preprocessed.sources.items()
        if not path.startswith("<")
    }
    return tree, Source({**files, name: text.splitlines()}, preprocessed.places.span, name)


def _classes(tables: Iterable[TableMeta]) -> dict[str, tuple[str, CDesc]]:
    """Name and members of the event of each table that sends some."""
    found = {}
    for table in tables:
        if table.type in _SENDERS and table.event is not None:
            words = table.event.name.removeprefix("struct ").removesuffix("_t").split("_")
            found[table.name] = ("".join(word.capitalize() for word in words), table.event)
    return found


def _event(name: str, desc: CDesc, facts: Facts) -> str:
    fields = [
        f"    {each.name}: {_type(each.type, comm=each.name in facts.comms)}"
        for each in desc.members
        if each.name
    ]
    return "\n".join([f"\nclass {name}(sc.Event):", *(fields or ["    value: sc.u64"])])


def _type(desc: CDesc, *, comm: bool = False) -> str:
    if desc.kind == "bool":
        return "bool"
    if desc.kind == "pointer":
        return "sc.Pointer"
    if desc.kind == "array" and desc.element is not None:
        if desc.element.kind == "char":
            return "sc.Comm" if comm and desc.count == 16 else f"Annotated[str, {desc.count}]"
        return f"Annotated[bytes, {desc.size}]"
    return _INTEGERS.get((desc.size, desc.signed), f"Annotated[bytes, {desc.size}]")


def _state(table: TableMeta, facts: Facts) -> tuple[str, str]:
    """The object that takes a table's place, and its class; nothing for what sends events."""
    if table.type in _SENDERS:
        return "", ""
    word, arguments = _object(table, facts)
    if word:
        return f"{table.name} = sc.{word}{arguments}", word
    return f"# table {table.name}: {table.type} has no counterpart of this form", ""


def _object(table: TableMeta, facts: Facts) -> tuple[str, str]:
    """Class and arguments; nothing where there is none."""
    descs = [each for each in (table.key, table.leaf) if each is not None]
    if table.type == "histogram":
        slots = facts.slots.get(table.name, "") if descs[0].kind == "int" else ""
        linear = ("LinearHist", f"(0, {table.max_entries}, 1)")
        return {"log2": ("Log2Hist", "()"), "linear": linear}.get(slots, ("", ""))
    if table.type in _STACKS and not table.flags:
        return "Stacks", f"(max_entries={table.max_entries})"
    if any(each.kind in {"struct", "union"} for each in descs):
        return "", ""
    types = [_type(each) for each in descs]
    if table.type in _ARRAYS:
        return _ARRAYS[table.type], f"[{types[-1]}]({table.max_entries})"
    if table.type in _HASHES:
        made = f"[{', '.join(types)}](max_entries={table.max_entries}, default=0)"
        return _HASHES[table.type], made
    return "", ""


def _probe(
    node: c_ast.FuncDef, targets: Sequence[Target], body: Body, taken: dict[str, int]
) -> str:
    lines = body.lines_of(node.body)
    if all(line.lstrip().startswith("#") for line in lines):
        lines.append("pass")
    parameters = ", ".join(body.parameters())
    target = targets[0] if targets else Target("", node.decl.name)
    function = "_".join(_FIRST_WORD.findall(target.name)) if target.kind else node.decl.name
    if target.kind in {"uprobe", "uretprobe", "usdt", "profile"}:
        function = node.decl.name
    elif target.kind in {"kretprobe", "fexit"}:
        function += "_return"
    taken[function] = taken.get(function, 0) + 1
    if taken[function] > 1:
        function += f"_{taken[function]}"
    return "\n".join(
        [
            "",
            *_decorators(targets),
            f"def {function}({parameters}):",
            *(f"    {line}" for line in lines),
        ]
    )


def _decorators(targets: Sequence[Target]) -> list[str]:
    """Where a function goes; of several places one, and the others as comments."""
    if not targets:
        return ["# attach: not known from the text"]
    first, others = targets[0], targets[1:]
    lines = [f"# attach: {first.note}"] if first.note else []
    lines += [f"# attach also: {each.kind} {each.name}".rstrip() for each in others[:_SHOWN]]
    if len(others) > _SHOWN:
        lines.append(f"# attach also: {len(others) - _SHOWN} more")
    return [*lines, f'@sc.{first.kind}("{first.name}")'] if first.kind else lines
