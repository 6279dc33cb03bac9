"""Which programs start, and who starts them?

Parameters after ``*`` are found by their kernel names, the others by their position.
"""

from typing import Annotated

import syscast as sc
from syscast import current, u32
from syscast.kernel import linux_binprm


class Exec(sc.Event):
    path: Annotated[str, 256]
    argc: u32
    parent: u32


@sc.raw_tracepoint
def sched_process_exec(*, bprm: linux_binprm) -> Exec:
    return Exec(path=bprm.filename, argc=bprm.argc, parent=current.ppid)


if __name__ == "__main__":
    with sched_process_exec.attach() as events:
        for event in events:
            print(event)
