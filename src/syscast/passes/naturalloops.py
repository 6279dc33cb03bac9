"""The loops of a function's graph: which blocks go round, by the labels that a front end named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.ir.walk import targets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syscast.ir.program import Block, Function


def natural_loop(function: Function, head: str) -> frozenset[str]:
    """Labels of the blocks between a loop's head and its jumps back; empty where nothing does.

    A block jumps back if it goes to the head, and is reached through the head only.
    """
    blocks = {block.label: block for block in function.blocks}
    if head not in blocks:
        return frozenset()
    first = function.blocks[0].label
    reached = _reached(blocks, first, "")
    around = _reached(blocks, first, head)
    before: dict[str, list[str]] = {}
    for label in reached:
        for target in targets(blocks[label].ops[-1]):
            before.setdefault(target, []).append(label)
    inside = {head}
    work = [each for each in before.get(head, ()) if each not in around]
    if not work:
        return frozenset()
    while work:
        label = work.pop()
        if label not in inside:
            inside.add(label)
            work += before.get(label, ())
    return frozenset(inside)


def _reached(blocks: Mapping[str, Block], first: str, avoid: str) -> set[str]:
    seen: set[str] = set()
    work = [first]
    while work:
        label = work.pop()
        if label not in seen and label != avoid:
            seen.add(label)
            work += targets(blocks[label].ops[-1])
    return seen
