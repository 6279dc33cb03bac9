"""How long do reads take, by command?

A histogram for each command, kept in the kernel; the time of a call's start is kept across the
yield.
"""

import time
from collections.abc import Generator

import syscast as sc
from syscast import current, now

latency = sc.Log2Hist[sc.Comm]()


@sc.call
def vfs_read() -> Generator[None, int, None]:
    start = now()
    yield
    latency[current.comm].add(now() - start)


if __name__ == "__main__":
    with vfs_read.attach():
        time.sleep(10)
    print(latency)
