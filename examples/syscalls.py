"""Which commands make most system calls?

The kernel counts, so that nothing is sent for a call; Python reads the counts when it wants to.
"""

import time

import syscast as sc
from syscast import current

calls = sc.Counter[sc.Comm]()


@sc.raw_tracepoint
def sys_enter(_regs: object, _number: int) -> None:
    calls[current.comm] += 1


if __name__ == "__main__":
    with sys_enter.attach():
        while True:
            time.sleep(1)
            for comm, count in calls.drain().items():
                print(f"{comm:16} {count}")
            print()
