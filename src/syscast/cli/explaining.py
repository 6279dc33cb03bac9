"""Explained programs as text: each source line, its IR, its instructions, and their cost."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, NamedTuple

from syscast.cli.messages import safe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from syscast.session.explain import Explained, Line
    from syscast.session.listing import Instruction, Reads

WIDTH = 100
_FILTERS = "pid, tid, follow, uid, comm, cgroup, netns"
_BOLD, _DIM, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"


class Style(NamedTuple):
    """How text is marked: nothing, unless it goes to a terminal."""

    colour: bool = False

    def bold(self, text: str) -> str:
        """What the user wrote."""
        return f"{_BOLD}{safe(text)}{_PLAIN}" if self.colour else safe(text)

    def dim(self, text: str) -> str:
        """What was made of it on the way."""
        return f"{_DIM}{safe(text)}{_PLAIN}" if self.colour else safe(text)


def text_of(
    programs: Iterable[Explained], style: Style, *, kernel_log: bool = False
) -> Iterator[str]:
    """All lines, without line ends.

    Args:
        programs: What to show.
        style: For a terminal or not.
        kernel_log: Append the verifier's log of each.
    """
    for number, each in enumerate(programs):
        if number:
            yield ""
        yield from _head(each, style)
        file = None
        for line in each.lines:
            if line.file != file:
                file = line.file
                yield ""
                yield safe(file) if file else "(of no file)"
            yield from _line(line, style, costed=each.cost is not None)
        if each.refusal:
            yield ""
            yield safe(each.refusal)
        if kernel_log and each.log:
            yield ""
            yield "the verifier's log:"
            yield from (safe(one) for one in each.log.splitlines())


def _head(each: Explained, style: Style) -> Iterator[str]:
    role = {"probe": "", "entry": " (entry)", "exit": " (exit)"}.get(each.role, f" ({each.role})")
    yield style.bold(f"{each.probe}{role}: {each.kind}, section {each.section}")
    rows = [("length", f"{each.length} instructions"), ("verifier", _verdict(each))]
    if each.cost is not None and each.cost.stack:
        depths = " + ".join(str(depth) for depth in each.cost.stack)
        rows.append(("stack", f"{depths} bytes"))
    rows.append(("reads", _reads(each.reads)))
    rows.append(("filters", _filters(each)))
    if each.note:
        rows.append(("attach", f"not on this machine: {each.note}"))
    for name, text in rows:
        yield from textwrap.wrap(
            safe(text), WIDTH, initial_indent=f"  {name:<9} ", subsequent_indent=" " * 12
        )


def _verdict(each: Explained) -> str:
    if each.cost is None:
        return f"not asked: {each.missing}" if each.missing else "no sums in its log"
    cost = each.cost
    said = (
        f"{cost.processed} instructions processed (of {cost.limit}), "
        f"{cost.states} states kept ({cost.peak_states} at once)"
    )
    return f"refused, after {said}" if each.refusal else said


def _reads(reads: Reads) -> str:
    ways = (
        (reads.direct, "direct"),
        (reads.probe, "by bpf_probe_read_kernel"),
        (reads.user, "by bpf_probe_read_user"),
    )
    parts = [f"{way}: {', '.join(names)}" for names, way in ways if names]
    return "; ".join(parts) or "none"


def _filters(each: Explained) -> str:
    if each.role == "exit":
        return "the entry's"
    return f"{_FILTERS}: in the kernel; what is not asked for costs nothing"


def _line(line: Line, style: Style, *, costed: bool) -> Iterator[str]:
    number = f"{line.line:5d}" if line.line else "    -"
    head = f"{number} | {line.text.expandtabs().rstrip()}"
    if line.instructions:
        cost = f"{len(line.instructions)} insns"
        cost += f", {line.processed} processed" if costed else ""
        gap = WIDTH - len(head) - len(cost)
        head = f"{head}{' ' * gap}{cost}" if gap >= 2 else head
        yield style.bold(head)
        if gap < 2:
            yield style.bold(f"{cost:>{WIDTH}}")
    else:
        yield style.bold(head)
    for text in line.ir:
        indent = len(text) - len(text.lstrip())
        for part in textwrap.wrap(
            text.strip(),
            WIDTH - 8 - indent,
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        ):
            yield style.dim(f"   ir | {' ' * indent}{part}")
    for insn in line.instructions:
        yield safe(_instruction(insn, costed=costed))


def _instruction(insn: Instruction, *, costed: bool) -> str:
    text = f"  bpf | {insn.index:5d}: {insn.text}"
    if not costed:
        return text
    return f"{text:<{WIDTH - 8}}{insn.visits or '-':>8}"
