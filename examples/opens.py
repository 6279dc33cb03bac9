"""Which files does a process open, and does it get them?

The path lies in the memory of the process. It is read when the call returns: the kernel has read it
by then, so its page is there for certain.
"""

from collections.abc import Generator
from os import O_ACCMODE, O_CREAT
from typing import Annotated

import syscast as sc
from syscast import i32, u8, user_str
from syscast.kernel import open_how


class Open(sc.Event):
    path: Annotated[str, 256]
    mode: u8
    create: bool
    ret: i32


@sc.call
def do_sys_openat2(_dfd: int, path: object, how: open_how) -> Generator[None, int, Open]:
    flags = how.flags
    ret = yield
    return Open(
        path=user_str(path), mode=flags & O_ACCMODE, create=(flags & O_CREAT) != 0, ret=ret
    )


if __name__ == "__main__":
    with do_sys_openat2.attach() as events:
        for event in events:
            print(event)
