"""How do processes end: with which status, or by which signal?

The exit code has the form that wait(2) gives to a parent.
"""

import syscast as sc
from syscast import u8


class Exit(sc.Event):
    status: u8
    signal: u8
    core: bool


@sc.function
def do_group_exit(code: int) -> Exit:
    return Exit(status=(code >> 8) & 0xFF, signal=code & 0x7F, core=(code & 0x80) != 0)


if __name__ == "__main__":
    with do_group_exit.attach() as events:
        for event in events:
            print(event)
