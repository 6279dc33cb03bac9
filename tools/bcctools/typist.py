"""Types a line into a bash again and again, on a terminal, for tools that watch readline."""

from __future__ import annotations

import os
import pty
import time

LINE = b"echo syscast-typed\n"


def main() -> None:
    """Never ends by itself."""
    pid, master = pty.fork()
    if pid == 0:
        os.execv("/bin/bash", ["bash", "--norc", "-i"])  # noqa: S606  (a terminal's bash)
    while True:
        time.sleep(1.0)
        os.write(master, LINE)
        os.read(master, 4096)


if __name__ == "__main__":
    main()
