"""Writes to a new terminal again and again (the first that is opened is /dev/pts/0)."""

from __future__ import annotations

import os
import time


def main() -> None:
    """Never ends by itself."""
    master, slave = os.openpty()
    os.set_blocking(master, False)
    while True:
        time.sleep(0.5)
        os.write(slave, b"syscast-on-a-terminal\n")
        os.read(master, 4096)


if __name__ == "__main__":
    main()
