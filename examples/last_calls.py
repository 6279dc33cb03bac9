"""What did a command do just before it ended? A flight recorder of its system calls.

Every call of the command and its children is recorded, and nobody reads: in the kernel, the newest calls take the
place of the oldest. When the command has ended, one dump gives the last of them.

    python examples/last_calls.py cat /etc/hosts /nowhere
"""

from __future__ import annotations

import sys

import syscast as sc
from syscast import i64

SHOWN = 25


class Call(sc.Event):
    number: i64


@sc.raw_tracepoint("sys_enter")
def calls(_regs: object, number: int) -> Call:
    return Call(number=number)


def last_calls(command: list[str]) -> list[Call]:
    """Run a command; give its last system calls."""
    with calls.attach(command=command, pressure="overwrite", ring_size=1 << 18) as session:
        session.wait()
        session.detach()
        return session.dump()


if __name__ == "__main__":
    for event in last_calls(sys.argv[1:] or ["ls", "/nowhere"])[-SHOWN:]:
        print(event)
