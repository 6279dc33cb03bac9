"""Compiles on the host what the kernel tests would compile in the guest, where LLVM runs 25 times slower.

`python -m vmtest.precompile VMLINUX CACHE` takes the BTF out of a guest's kernel, pretends that it is this
machine's, and fills the guest's cache with the objects that tests name (`test_syscalls.portions`) and with the index of
the BTF. A key in the cache covers the BTF, the program and the compiler, so that what does not fit is
only unused.
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from vmtest.host import PROJECT, say

if TYPE_CHECKING:
    from vmtest.kernels import Kernel

PATIENCE = 600.0


def fill(kernel: Kernel, cache: Path) -> None:
    """Fill a guest's cache directory; a failure costs the guest time, nothing else."""
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    command = [sys.executable, "-m", "vmtest.precompile", str(kernel.boot), str(cache)]
    paths = os.pathsep.join(str(PROJECT / name) for name in ("tools", "src"))
    try:
        done = subprocess.run(
            command,
            env=os.environ | {"PYTHONPATH": paths},
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        say("compiling for the guest took too long: it compiles by itself")
        return
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["?"])[-1]
        say(f"compiling for the guest failed, it compiles by itself: {reason}")


def main(vmlinux: str, cache: str) -> None:
    """Compile; whatever is in the cache already is left alone."""
    with tempfile.TemporaryDirectory(prefix="syscast-btf-") as work:
        directory = Path(work)
        for name in ("objects", "btf"):
            (Path(cache) / name).mkdir(exist_ok=True, mode=0o700)
        # Not the features: they are this machine's.
        own = directory / "syscast"
        own.mkdir(mode=0o700)
        (own / "objects").symlink_to(Path(cache) / "objects")
        os.environ["XDG_CACHE_HOME"] = work
        _pretend(Path(vmlinux), directory)
        sys.path.insert(0, str(PROJECT / "tests" / "kernel"))
        # Once the guest's BTF stands for this machine's.
        tests = importlib.import_module("test_syscalls")
        from syscast.session.plan import plan  # noqa: PLC0415

        for jobs in tests.portions():
            plan(jobs)
        for index in (own / "btf").iterdir():
            shutil.copy2(index, Path(cache) / "btf")


def _pretend(vmlinux: Path, directory: Path) -> None:
    """Let `syscast.btf.source` read the guest kernel's BTF and build id in place of this machine's."""
    from syscast.btf import source  # noqa: PLC0415  (the harness itself needs none of it)
    from syscast.elf import Elf  # noqa: PLC0415

    elf = Elf(vmlinux.read_bytes(), str(vmlinux))
    for name, section in (("vmlinux", ".BTF"), ("notes", ".notes")):
        found = elf.section(section)
        if found is None:
            raise SystemExit(f"{vmlinux} has no section {section}")
        (directory / name).write_bytes(elf.content(found))
    source._DIRECTORY = str(directory)  # noqa: SLF001  (there is no other kernel but a running one)
    source._NOTES = str(directory / "notes")  # noqa: SLF001


if __name__ == "__main__":
    main(*sys.argv[1:])
