"""The initramfs of a test VM: a static busybox, the modules that mount the root, the first process and the agent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vmtest import modules
from vmtest.cpio import Archive
from vmtest.host import HarnessError

if TYPE_CHECKING:
    from vmtest.kernels import Kernel

GUEST = Path(__file__).parent / "guest"
DRIVERS = ("virtio_pci", "virtio_blk", "virtio_console", "virtio_rng", "ext4", "overlay")
OPTIONAL = frozenset({"virtio_rng"})


def build(kernel: Kernel, busybox: Path) -> bytes:
    """The archive for one kernel. A kernel given without modules must have the drivers built in."""
    archive = Archive()
    for name in ("bin", "dev", "proc", "sys", "modules"):
        archive.directory(name)
    archive.character_device("dev/console", 5, 1)
    archive.file("bin/busybox", busybox.read_bytes(), 0o755)
    archive.link("bin/sh", "busybox")
    for name in ("init", "pid1", "agent.py"):
        archive.file(name, (GUEST / name).read_bytes(), 0o755)
    order: list[str] = []
    seen: set[str] = set()
    for driver in DRIVERS if kernel.modules is not None else ():
        for name, data in _load_order(kernel, driver):
            if name not in seen:
                seen.add(name)
                order.append(name)
                archive.file(f"modules/{name}.ko", data)
    archive.file("modules/order", "".join(f"{name}\n" for name in order).encode())
    return archive.to_bytes()


def _load_order(kernel: Kernel, driver: str) -> list[tuple[str, bytes]]:
    assert kernel.modules is not None
    try:
        return modules.load_order(kernel.modules, [driver])
    except HarnessError:
        if driver in OPTIONAL:
            return []
        raise
