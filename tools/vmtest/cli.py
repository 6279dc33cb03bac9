"""The command line of the harness: `./dev vm`."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import re
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from vmtest import checkout, initramfs, kernels, rootfs
from vmtest.host import PROJECT, HarnessError, cache_dir, say
from vmtest.machine import Machine, MachineDied, Setup

if TYPE_CHECKING:
    from collections.abc import Sequence

GUEST_TOOLS = ("pytest", "hypothesis")


def pins() -> dict[str, str]:
    """Version of each Python package the guest needs, as this environment has them: run dependencies and test tools."""
    table = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    todo = [*table["project"]["dependencies"], *GUEST_TOOLS]
    found: dict[str, str] = {}
    while todo:
        requirement = todo.pop()
        name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower().replace("_", "-")
        if name in found or "extra ==" in requirement:
            continue
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # a marker leaves it out on this platform
        found[name] = distribution.version
        todo += distribution.requires or []
    return found


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="./dev vm", description=__doc__)
    parser.add_argument("--kernel", action="append", default=[])
    parser.add_argument("--shell", metavar="COMMAND")
    parser.add_argument("--timeout", type=float, default=600)
    options = parser.parse_args(argv)
    for name in options.kernel or ["6.12"]:
        kernel = kernels.get(name)
        root = rootfs.get(rootfs.recipe(pins()))
        with tempfile.TemporaryDirectory(prefix="syscast-vm-") as work:
            seed = Path(work) / "seed.tar"
            checkout.write(seed, seeds=[])
            setup = Setup(kernel.boot, initramfs.build(kernel, rootfs.busybox()), root, kernel.image, seed)
            with Machine(setup, console_log=PROJECT / "build/vm/console.log") as machine:
                say(f"{machine.release} booted in {machine.boot_seconds:.1f} s")
                done = machine.run(["/bin/bash", "-c", options.shell], timeout=options.timeout, listener=lambda fd, data: os.write(fd, data))
                return done.code


if __name__ == "__main__":
    sys.exit(main())
