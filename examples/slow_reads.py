"""Which reads of files, pipes and sockets take long?

A constant of the module becomes a constant of the program, so the kernel sends slow reads only.
"""

from collections.abc import Generator

import syscast as sc
from syscast import i64, now, u64
from syscast.kernel import file

SLOW_NS = 1_000_000


class Read(sc.Event):
    name: str
    inode: u64
    ret: i64
    ns: u64


@sc.call
def vfs_read(file: file) -> Generator[None, int, Read | None]:
    start = now()
    ret = yield
    ns = now() - start
    if ns < SLOW_NS:
        return None
    return Read(name=file.f_path.dentry.d_name.name, inode=file.f_inode.i_ino, ret=ret, ns=ns)


if __name__ == "__main__":
    with vfs_read.attach() as events:
        for event in events:
            print(event)
