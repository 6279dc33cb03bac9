"""Makes a known number of rare calls: `python -m bcctools.syncing 40` syncs one file 40 times, and makes and removes a directory."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path


def main(rounds: int) -> None:
    """Make the calls."""
    with tempfile.TemporaryDirectory() as directory:
        for number in range(rounds):
            path = Path(directory, str(number))
            path.mkdir()
            path.rmdir()
        fd = os.open(f"{directory}/file", os.O_CREAT | os.O_RDWR)
        for _ in range(rounds):
            os.write(fd, b"x")
            os.fsync(fd)
        os.close(fd)


if __name__ == "__main__":
    main(int(sys.argv[1]))
