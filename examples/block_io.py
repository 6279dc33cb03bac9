"""Which sectors are read from disks and written to them, and by whom?

Writes often come from the kernel's own threads, long after the process that caused them.
"""

from enum import IntEnum
from typing import Annotated

import syscast as sc
from syscast import u8, u32, u64
from syscast.kernel import bio

REQ_OP_MASK = 0xFF


class Operation(IntEnum):
    READ = 0
    WRITE = 1
    FLUSH = 2
    DISCARD = 3


class Io(sc.Event):
    operation: Annotated[Operation, u8]
    sector: u64
    size: u32


@sc.function
def submit_bio(bio: bio) -> Io:
    return Io(
        operation=sc.cast(Operation, bio.bi_opf & REQ_OP_MASK),
        sector=bio.bi_iter.bi_sector,
        size=bio.bi_iter.bi_size,
    )


if __name__ == "__main__":
    with submit_bio.attach() as events:
        for event in events:
            print(event)
