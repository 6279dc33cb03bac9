"""Builds a function block by block; front ends and passes share it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.errors import InternalError
from syscast.ir.ops import TERMINATORS, Op
from syscast.ir.program import Block
from syscast.ir.types import IrType, Reg, Slot

if TYPE_CHECKING:
    from collections.abc import Iterable


class Mark:
    """A place between two ops, for what turns out to be needed there later."""

    def __init__(self, ops: list[Op], index: int) -> None:
        self.ops = ops
        self.index = index


class Builder:
    """Collects blocks, registers and slots of one function.

    Args:
        registers: First free register number.
        slots: Slots that exist already.

    Attributes:
        size: How many ops were added.
    """

    def __init__(self, registers: int = 0, slots: Iterable[Slot] = ()) -> None:
        self._next_register = registers
        self._slots = list(slots)
        self._next_slot = max((slot.id + 1 for slot in self._slots), default=0)
        self._blocks: list[tuple[str, list[Op]]] = []
        self._labels: set[str] = set()
        self._counts: dict[str, int] = {}  # by hint, the number of its last label
        self._open: list[Op] | None = None
        self.size: int = 0

    def register(self, type_: IrType) -> Reg:
        """Make a fresh register."""
        self._next_register += 1
        return Reg(self._next_register - 1, type_)

    def slot(self, name: str, type_: IrType | None, size: int, *, kept: bool = False) -> Slot:
        """Make room for a local."""
        slot = Slot(self._next_slot, name, type_, size, kept)
        self._next_slot += 1
        self._slots.append(slot)
        return slot

    def label(self, hint: str) -> str:
        """Make a label that no block has yet."""
        n = self._counts.get(hint, 0)
        label = f"{hint}.{n}" if n else hint
        while label in self._labels:
            n += 1
            label = f"{hint}.{n}"
        self._counts[hint] = n
        self._labels.add(label)
        return label

    def start(self, label: str) -> None:
        """Begin a block; the one before must have ended."""
        if self._open is not None:
            raise InternalError(f"block {self._blocks[-1][0]} has no terminator")
        self._labels.add(label)
        self._open = []
        self._blocks.append((label, self._open))

    def add(self, op: Op) -> None:
        """Append one op; a terminator ends the block."""
        if self._open is None:
            raise InternalError("an op outside a block", repr(op))
        self._open.append(op)
        self.size += 1
        if isinstance(op, TERMINATORS):
            self._open = None

    def mark(self) -> Mark:
        """The place where the next op would stand."""
        if self._open is None:
            raise InternalError("a mark outside a block")
        return Mark(self._open, len(self._open))

    def insert(self, mark: Mark, op: Op) -> None:
        """Put an op that is no terminator at a place marked before."""
        mark.ops.insert(mark.index, op)
        self.size += 1

    def count(self) -> int:
        """How many blocks were begun."""
        return len(self._blocks)

    @property
    def terminated(self) -> bool:
        """Whether no block is open."""
        return self._open is None

    def blocks(self) -> tuple[Block, ...]:
        """The finished blocks."""
        if self._open is not None:
            raise InternalError(f"block {self._blocks[-1][0]} has no terminator")
        return tuple(Block(label, tuple(ops)) for label, ops in self._blocks)

    def slots(self) -> tuple[Slot, ...]:
        """Every slot made so far."""
        return tuple(self._slots)
