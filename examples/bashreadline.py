"""What is typed at the prompts of bash?

For a bash that has its readline inside, as Debian's; else the place is ``readline:readline``, in the library.
"""

import syscast as sc
from syscast import current, u32, u64, user_str


class Line(sc.Event):
    pid: u32
    line: str


@sc.uretprobe("/bin/bash:readline")
def readline(ret: u64) -> Line | None:
    if ret == 0:  # end of input
        return None
    return Line(pid=current.pid, line=user_str(ret))


if __name__ == "__main__":
    with readline.attach() as events:
        for event in events:
            print(event)
