"""Where does the time go?

Prints, after ten seconds, each stack of the kernel on one line with how often it was met: what flamegraph.pl and the like draw.
"""

import time

import syscast as sc
from syscast import current, i32

SECONDS = 10

stacks = sc.Stacks()
counts = sc.Counter[tuple[str, i32]]()


@sc.profile("99hz")
def sampled() -> None:
    if current.pid:  # 0 is an idle CPU
        counts[current.comm, stacks.kernel()] += 1


if __name__ == "__main__":
    with sampled.attach():
        time.sleep(SECONDS)
        for (comm, stack), count in counts.most_common():
            print(f"{comm};{stacks.folded(stack)} {count}")
