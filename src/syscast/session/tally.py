"""Counting many targets by keys: from words to programs, from cells of maps to rows for people.

The state's key is a tuple: what stands behind ``by``, and the target where nothing does. Targets are
numbers inside the kernel; they get their names when rows are read.
"""

from __future__ import annotations

import ast
from copy import deepcopy
from types import GenericAlias
from typing import TYPE_CHECKING, Annotated, cast

from syscast.btf.record import Record
from syscast.errors import KernelError, SyscastError, TargetError, UsageError
from syscast.ir.program import FUNCTION
from syscast.link.many import Refused, reason
from syscast.probes import many, matching, names, registry
from syscast.session.plan import Job

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from syscast.diagnostics import CompileError, Diagnostic
    from syscast.frontend.python.source import SourceText
    from syscast.frontend.python.tally import Tally
    from syscast.probes.kind import Role, Whom
    from syscast.probes.many import Names
    from syscast.probes.registry import Choice
    from syscast.session.filters import Filters
    from syscast.session.session import Session
    from syscast.session.stacks import Stacks
    from syscast.spec.meta import FieldMeta
    from syscast.state.counter import Counter
    from syscast.state.histogram import Distribution, LinearHist, Log2Hist

FUNCTION_WORDS = frozenset({"func", "probe"})
"""Keys that mean the name of the function, system call or tracepoint itself."""
CURRENT_WORDS = frozenset(
    {"comm", "pid", "tid", "ppid", "uid", "gid", "cpu", "cgroup_id", "netns"}
)
"""Names that mean ``current.comm`` and so on, where the target has no argument of this name."""
_HOLDER = "(stacks)"
"""As `syscast.frontend.python.tally.STACKS`, which is not imported for commands without stacks."""
STACK_WORDS = {"kstack": "kernel", "ustack": "user"}
"""Names that mean where the kernel was, or the process, and how a probe keeps that."""
_AT_EXIT = frozenset({"ret", "duration"})
_RETURNING = frozenset({"fexit", "kretprobe", "uretprobe"})
_FEW = 4
"""Functions up to which each gets a program of its own, by the best kind."""
_ENTRIES = 16384
_KEY_FUNCTION = "func"
_FILLED = frozenset({"int", "bool", "enum", "pointer", "port"})


class Linear(Record):
    """Bounds of a linear histogram."""

    low: int
    high: int
    step: int


class Query(Record):
    """What is to be counted.

    Attributes:
        targets: Targets and patterns, as written.
        keys: Label, expression and text of each key; none means the target alone.
        value: Of a histogram: its label, expression and text.
        condition: Expression and text of what must be true.
        linear: Bounds of a histogram that has equal steps.
        entries: Most keys (of a histogram: most buckets in use); 0 takes what is sensible.
    """

    targets: tuple[str, ...]
    keys: tuple[tuple[str, ast.expr, SourceText], ...] = ()
    value: tuple[str, ast.expr, SourceText] | None = None
    condition: tuple[ast.expr, SourceText] | None = None
    linear: Linear | None = None
    entries: int = 0

    def names(self) -> frozenset[str]:
        """Every name that an expression uses."""
        trees = [node for _, node, _ in self.keys]
        if self.value is not None:
            trees.append(self.value[1])
        if self.condition is not None:
            trees.append(self.condition[0])
        found = (node for tree in trees for node in ast.walk(tree))
        return frozenset(node.id for node in found if isinstance(node, ast.Name))


Key = tuple[object, ...]
"""Parts of a key: int, bool and str; inside the kernel, numbers for names."""


class Tallying:
    """A running session that counts.

    Attributes:
        session: To wait with, and to close.
        labels: Names of the keys' parts.
        skipped: Targets that are left out, and why.
        targets: How many targets are attached to.
        stacks: Where the stacks of keys are kept; None where there are none.
    """

    def __init__(
        self,
        session: Session,
        state: Counter[Key] | Log2Hist[Key] | LinearHist[Key],
        metas: Sequence[FieldMeta],
        known: Names,
        skipped: Sequence[Refused],
        targets: int,
    ) -> None:
        self.session = session
        self._state = state
        self._metas = metas
        self._known = known
        self.labels: tuple[str, ...] = tuple(meta.name for meta in metas)
        refused = session.refused()
        self.skipped: tuple[Refused, ...] = (*skipped, *refused)
        self.targets: int = targets - len(refused)
        self.total: int = 0
        self.stacks: Stacks | None = None
        self._pid_at = next((at for at, each in enumerate(metas) if each.name == "pid"), -1)

    @property
    def lost(self) -> int:
        """Counts that found no room in the map."""
        return self._state.lost

    def counts(self, *, take: bool = True) -> list[tuple[Key, int]]:
        """Counts, the largest first.

        Args:
            take: Take them, so that the next ones start from zero; else only look.
        """
        state = cast("Counter[Key]", self._state)
        merged: dict[Key, int] = {}
        found = state.drain() if take else state.to_dict()
        for key, count in found.items():
            named = self._named(key)
            merged[named] = merged.get(named, 0) + count
        if take:
            self.total += sum(merged.values())
        return sorted(merged.items(), key=lambda each: (-each[1], str(each[0])))

    def distributions(self, *, take: bool = True) -> list[tuple[Key, Distribution]]:
        """Histograms, the one with most values first.

        Args:
            take: As of `counts`.
        """
        state = cast("Log2Hist[Key]", self._state)
        if self.labels:
            found = [
                (self._named(key), each)
                for key, each in (state.drain() if take else state.to_dict()).items()
            ]
        else:
            whole = state.take() if take else state.value
            found = [((), whole)] if whole.count else []
        if take:
            self.total += sum(each.count for _, each in found)
        return found

    def _named(self, key: Key) -> Key:
        return tuple(
            self._folded(part, meta.kind, key)
            if meta.kind in STACK_WORDS
            else self._shown(part, meta)
            for part, meta in zip(key, self._metas, strict=True)
        )

    def _folded(self, number: object, kind: str, key: Key) -> str:
        """A stack as one line of text."""
        assert self.stacks is not None
        assert isinstance(number, int)
        if kind == "kstack":
            return self.stacks.folded(number)
        pid = key[self._pid_at]
        return self.stacks.folded(number, pid if isinstance(pid, int) else 0)

    def _shown(self, part: object, meta: FieldMeta) -> object:
        """A part of a key as people and JSON read it."""
        if not isinstance(part, int) or isinstance(part, bool):
            return part if isinstance(part, bool | str) else str(part)
        if meta.kind == FUNCTION:
            return self._known.name(part)
        if meta.kind == "pointer":
            return f"0x{part:x}"
        return meta.labels.get(part, part)


def open_tally(
    query: Query, filters: Filters, *, command: Sequence[str] | None = None
) -> Tallying:
    """Compile, load and attach what counts.

    Raises:
        TargetError: Nothing matches, or nothing that matches can be attached to.
        CompileError: An expression is outside the language.
        SyscastError: As of `syscast.session.attach.open_session`.
    """
    from syscast.session.attach import open_session  # noqa: PLC0415  (once the targets are known)

    known = many.Names()
    plans = _Plans(query, known, filters.whom)
    for target in query.targets:
        plans.add(target)
    metas = plans.key_types()
    state = _state(query, metas, plans.targets)
    jobs: list[Job] = []
    for choice, tally in plans.tallies(state):
        target = choice.target.qualified
        again = sum(each.target == target for each in jobs)
        name = f"{target} ({again + 1})" if again else target
        jobs.append(Job(target, choice.role, tally, name, choice))
    session = open_session(jobs, filters, command=command)
    try:
        running = Tallying(session, state, metas, known, plans.skipped, plans.targets)
    except BaseException:
        session.close()
        raise
    running.stacks = plans.stacks
    return running


class _Plans:
    """The choices for all targets of a query."""

    def __init__(self, query: Query, known: Names, whom: Whom) -> None:
        self._query = query
        self._known = known
        self._whom = whom
        self._late = bool(query.names() & _AT_EXIT)
        self.stacks: Stacks | None = _stacks(query)
        self._chosen: list[tuple[Choice, int | None]] = []
        self.skipped: list[Refused] = []
        self.targets = 0

    def add(self, target: str) -> None:
        """Choose how to attach to a target, or to all that a pattern means."""
        if not names.is_pattern(target):
            self._single(target)
            return
        match = matching.match(target, self._whom)
        self.skipped += match.skipped
        if _alone(match):
            self._each(match)
            return
        used = _arguments(self._query.names()) - {"duration"}
        late = self._late or (match.sort == "syscall" and many.has_text(match, used))
        role: Role = "call" if late else "probe"
        choices, skipped = self._many(match, used, role)
        self.skipped += skipped
        number = len(match.found) - len(skipped)
        if not number:
            raise TargetError(
                f"pattern '{target}': attach: none of the {len(match.found)} that match will do, "
                f"such as {skipped[0].name}: {skipped[0].reason}",
                [near for name in sorted(used) for near in near_words(name, ())],
            )
        self.targets += number
        self._chosen += [(choice, None) for choice in choices]

    def _many(
        self, match: matching.Match, used: frozenset[str], role: Role
    ) -> tuple[list[Choice], list[Refused]]:
        if match.sort != "uprobe":
            return many.choices(match, used, role, self._known)
        from syscast.probes import many_user  # noqa: PLC0415  (user space only)

        return [many_user.choice(match, role, self._known, self._whom)], []

    def _each(self, match: matching.Match) -> None:
        """A program for each; what cannot be attached to is left out."""
        failure: SyscastError | None = None
        before = self.targets
        for found in match.found:
            try:
                self._single(match.target(found), of_many=True)
            except (TargetError, KernelError) as error:
                failure = error
                self.skipped.append(Refused(found.name, reason(str(error))))
        if self.targets == before and failure is not None:
            raise failure

    def _single(self, target: str, *, of_many: bool = False) -> None:
        used = self._query.names()
        choice, *others = _choose(target, used, self._whom)
        lacking = _arguments(used) - {each.name for each in choice.target.arguments}
        if of_many and lacking - _AT_EXIT:
            raise TargetError(f"{target}: attach: it has no argument '{min(lacking - _AT_EXIT)}'")
        self.targets += 1
        number = self._known.number(choice.target.name)
        self._chosen += [(each, number) for each in (choice, *others)]

    def key_types(self) -> list[FieldMeta]:
        """The types of the keys, wide enough for all targets."""
        from syscast.compiler.driver import key_types  # noqa: PLC0415  (the compiler's door)
        from syscast.diagnostics import CompileError  # noqa: PLC0415

        merged: list[FieldMeta] = []
        for choice, tally in self.tallies(None):
            contexts = choice.kind.contexts(choice.target, role=choice.role)
            try:
                found = key_types(contexts, tally, choice.types)
            except CompileError as error:
                names_ = [
                    each.name for each in choice.target.arguments if each.name.isidentifier()
                ]
                raise _with_hints(error, names_) from None
            merged = (
                [_wider(a, b) for a, b in zip(merged, found, strict=True)]
                if merged
                else list(found)
            )
        keys = _keys(self._query)
        return [
            _replaced(meta, kind=FUNCTION, size=8)
            if _is_function(node)
            else _replaced(meta, kind=node.id)
            if isinstance(node, ast.Name) and node.id in STACK_WORDS
            else meta
            for meta, (_, node, _) in zip(merged, keys, strict=True)
        ]

    def tallies(self, state: object) -> Iterator[tuple[Choice, Tally]]:
        """What each program counts."""
        from syscast.frontend.python.tally import Tally  # noqa: PLC0415  (the compiler's door)

        query = self._query
        for choice, number in self._chosen:
            arguments = frozenset(each.name for each in choice.target.arguments)
            keys = tuple(
                (label, _meant(node, arguments, key=True), text)
                for label, node, text in _keys(query)
            )
            value = query.value
            condition = query.condition
            yield (
                choice,
                Tally(
                    keys,
                    (_meant(value[1], arguments), value[2]) if value is not None else None,
                    (_meant(condition[0], arguments), condition[1])
                    if condition is not None
                    else None,
                    state,
                    number,
                    self.stacks,
                ),
            )


_LANGUAGE = frozenset(
    {"current", "now", "user_str", "kernel_str", "cast", "wrap64", "True", "False", "None"}
)


def _alone(match: matching.Match) -> bool:
    """Whether each target that a pattern means gets a program of its own."""
    if match.sort == "syscall":
        return False
    if match.sort == "uprobe":
        return len(match.found) <= _FEW
    if "tracepoint" in match.sort or match.kind in {"fentry", "fexit", "kretprobe"}:
        return True
    unique = len({each.name for each in match.found}) == len(match.found)
    return unique and len(match.found) <= _FEW and not match.kind


def _arguments(used: frozenset[str]) -> frozenset[str]:
    """The names that can only be arguments, or what the exit knows."""
    return used - FUNCTION_WORDS - CURRENT_WORDS - _LANGUAGE - frozenset(STACK_WORDS)


def near_words(text: str, arguments: Sequence[str]) -> list[str]:
    """Names that may have been meant: arguments, and words that mean something here."""
    from difflib import get_close_matches  # noqa: PLC0415  (only errors need it)

    known = [*arguments, *sorted(CURRENT_WORDS | FUNCTION_WORDS | _AT_EXIT)]
    return get_close_matches(text, known, 2)


def _with_hints(error: CompileError, arguments: Sequence[str]) -> CompileError:
    """Say of unknown names what was perhaps meant."""
    from msgspec.structs import replace  # noqa: PLC0415  (only errors need it)

    from syscast.diagnostics import CompileError as Error  # noqa: PLC0415

    findings = []
    for each in error.diagnostics:
        word = _word_at(each)
        hint = each.hint
        if each.message.startswith("no such name") and "did you mean" not in hint:
            near = near_words(word, arguments)
            if near:
                hint = f"did you mean {' or '.join(near)}?"
            elif arguments:
                hint = f"the arguments are {', '.join(arguments)}"
        findings.append(replace(each, hint=hint))
    return Error(findings)


def _word_at(found: Diagnostic) -> str:
    """The text that a finding is about."""
    span = found.span
    return found.source[span.column - 1 : span.end_column - 1] if span.end_column else ""


def _choose(target: str, used: frozenset[str], whom: Whom) -> list[Choice]:
    """How to attach to one target, at one moment or at entry and exit; of USDT probes all ways."""
    choices = registry.choose_all(target, whom=whom)
    choice = choices[0]
    arguments = {each.name for each in choice.target.arguments}
    late = (used & _AT_EXIT) - arguments
    kind = choice.kind.name
    if kind == "syscall" and choice.target.returns_at_all:
        # A string at the entry may lie in a page that is not there yet; at the exit it is.
        late |= {
            each.name for each in choice.target.arguments if each.string and each.name in used
        }
    if not late or (kind in _RETURNING and late == {"ret"} and not used & arguments):
        return choices
    what = names.without_exit(kind)
    if what:
        raise UsageError(
            f"{kind} '{choice.target.name}': read '{min(late)}': it is known at the exit only "
            f"(a {what} has no exit)"
        )
    said = names.parse(target)
    if kind in {"kprobe", "fentry"} and said.kind == kind:
        raise UsageError(
            f"{kind} '{choice.target.name}': read '{min(late)}': it is known at the exit only "
            f"(say {said.scoped}, or fexit:{said.scoped})"
        )
    return [registry.choose(target, "call", whom=whom)]


def _keys(query: Query) -> Sequence[tuple[str, ast.expr, SourceText]]:
    """The keys; of a count without any, the target itself."""
    if query.keys or query.value is not None:
        return _with_process(query.keys)
    from syscast.frontend.python.source import SourceText  # noqa: PLC0415  (the compiler's door)

    node = ast.Name(_KEY_FUNCTION, ast.Load(), lineno=1, col_offset=0)
    return ((_KEY_FUNCTION, node, SourceText.of("<key>", _KEY_FUNCTION)),)


def _with_process(
    keys: Sequence[tuple[str, ast.expr, SourceText]],
) -> Sequence[tuple[str, ast.expr, SourceText]]:
    """The keys, and the process too where one is a user's stack: its addresses mean nothing without."""
    if not any(isinstance(node, ast.Name) and node.id == "ustack" for _, node, _ in keys):
        return keys
    if any(label == "pid" for label, *_ in keys):
        return keys
    from syscast.frontend.python.source import SourceText  # noqa: PLC0415  (the compiler's door)

    node = ast.Name("pid", ast.Load(), lineno=1, col_offset=0)
    return [*keys, ("pid", node, SourceText.of("<key>", "pid"))]


def _stacks(query: Query) -> Stacks | None:
    """What keeps the stacks, where the query names any."""
    if not query.names() & STACK_WORDS.keys():
        return None
    from syscast.session.stacks import Stacks  # noqa: PLC0415  (few queries)

    return Stacks()


def _is_function(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in FUNCTION_WORDS


def _meant(tree: ast.expr, arguments: frozenset[str], *, key: bool = False) -> ast.expr:
    """An expression in which bare words stand for what they mean."""
    if key and _is_function(tree):
        return ast.copy_location(ast.Name(FUNCTION, ast.Load()), tree)
    return cast("ast.expr", _Words(arguments).visit(deepcopy(tree)))


class _Words(ast.NodeTransformer):
    """``comm`` to ``current.comm``."""

    def __init__(self, arguments: frozenset[str]) -> None:
        self._arguments = arguments

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in STACK_WORDS and node.id not in self._arguments:
            holder = ast.copy_location(ast.Name(_HOLDER, ast.Load()), node)
            method = ast.Attribute(holder, STACK_WORDS[node.id], ast.Load())
            call = ast.Call(ast.copy_location(method, node), [], [])
            return ast.copy_location(call, node)
        if node.id not in CURRENT_WORDS or node.id in self._arguments:
            return node
        base = ast.copy_location(ast.Name("current", ast.Load()), node)
        return ast.copy_location(ast.Attribute(base, node.id, ast.Load()), node)


def _wider(one: FieldMeta, other: FieldMeta) -> FieldMeta:
    """A type that holds the keys of both."""
    if one.kind in _FILLED and other.kind in _FILLED:
        signed = one.signed or other.signed
        size = max(one.size, other.size)
        if one.signed != other.signed:
            size = 8
        same = one.kind == other.kind and one.labels == other.labels
        return _replaced(
            one if same else _replaced(one, kind="int", labels={}), size=size, signed=signed
        )
    if one.kind == other.kind:
        return one if one.size >= other.size else other
    raise UsageError(
        f"key '{one.name}': count by it: it is a {one.kind} in one target and a {other.kind} in another"
    )


def _replaced(meta: FieldMeta, **changes: object) -> FieldMeta:
    from msgspec.structs import replace  # noqa: PLC0415  (one call)

    return replace(meta, **changes)


def _state(
    query: Query, metas: Sequence[FieldMeta], targets: int
) -> Counter[Key] | Log2Hist[Key] | LinearHist[Key]:
    """The counter or histogram, with a tuple of the keys' types as its key."""
    from syscast.events.fieldtypes import FieldType  # noqa: PLC0415  (once the keys are known)
    from syscast.state.counter import Counter  # noqa: PLC0415
    from syscast.state.histogram import LinearHist, Log2Hist  # noqa: PLC0415

    entries = query.entries or max(_ENTRIES, 4 * targets)
    parts = []
    for meta in metas:
        kind = "int" if meta.kind in {FUNCTION, "enum", *STACK_WORDS} else meta.kind
        python = str if kind == "str" else bytes if kind == "bytes" else int
        parts.append(Annotated[python, FieldType(kind, meta.size, meta.signed)])
    key = GenericAlias(tuple, tuple(parts))
    if query.value is None:
        return cast("Counter[Key]", Counter.__class_getitem__(key)(max_entries=entries))
    limit = entries if metas else None
    if query.linear is None:
        log2 = Log2Hist.__class_getitem__(key) if metas else Log2Hist
        return cast("Log2Hist[Key]", log2(max_entries=limit))
    linear = LinearHist.__class_getitem__(key) if metas else LinearHist
    bounds = query.linear
    made = linear(bounds.low, bounds.high, bounds.step, max_entries=limit)
    return cast("LinearHist[Key]", made)
