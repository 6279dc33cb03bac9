"""A VM with the project inside: puts kernel, image, checkout and cache seed together and boots them."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from vmtest import checkout, initramfs, kernels, rootfs
from vmtest.host import HarnessError, cache_dir, say
from vmtest.machine import Machine, MachineDied, Setup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmtest.kernels import Kernel

WITHOUT_LLVM = "/syscast/src:/syscast/tools:/opt/site"
KVM_PATIENCE = 8.0
PULL = f"cd /{checkout.CACHE_DIR} 2>/dev/null && tar -cf /run/syscast-cache.tar . && wc -c < /run/syscast-cache.tar"


@dataclass(frozen=True, slots=True)
class Options:
    """How VMs are made.

    Attributes:
        image: the guest's root image.
        cpus: virtual processors.
        memory: MiB.
        accel: auto, tcg or kvm.
        seeded: whether the guest's caches start with what the host and earlier runs on the kernel compiled, and are kept after.
        headers: whether the kernel's headers are installed (for bcc).
        llvm: whether the guest's Python finds llvmlite.
    """

    image: Path
    cpus: int = 2
    memory: int = 2048
    accel: str = "auto"
    seeded: bool = True
    headers: bool = False
    llvm: bool = True


def guest_cache(kernel: Kernel) -> Path:
    """Host directory that keeps the caches of guests with this kernel."""
    return cache_dir() / "guest-caches" / kernel.release


def _host_cache() -> Path:
    return cache_dir().parent


@contextlib.contextmanager
def booted(
    kernel: Kernel, options: Options, *, console_log: Path | None = None
) -> Iterator[Machine]:
    """Boot a kernel with the checkout as it is now; the VM ends with the block. Raises MachineDied and HarnessError."""
    with tempfile.TemporaryDirectory(prefix="syscast-vm-") as work:
        seed = Path(work) / "seed.tar"
        checkout.write(seed, seeds=[_host_cache(), guest_cache(kernel)] if options.seeded else [])
        setup = Setup(
            kernel.boot,
            initramfs.build(kernel, rootfs.busybox()),
            options.image,
            kernel.image,
            seed,
            headers=kernels.headers(kernel) if options.headers else None,
            cpus=options.cpus,
            memory=options.memory,
            accel=_accelerator(options),
        )
        with _start(setup, console_log) as machine:
            if not options.llvm:
                machine.environment["PYTHONPATH"] = WITHOUT_LLVM
            say(
                f"{machine.release} booted in {machine.boot_seconds:.1f} s ({machine.setup.accel})"
            )
            yield machine


@contextlib.contextmanager
def _start(setup: Setup, console_log: Path | None) -> Iterator[Machine]:
    """Start a VM; when it does not come up under KVM, remember that and use emulation."""
    machine = Machine(setup, console_log=console_log)
    if setup.accel == "kvm":
        try:
            machine.start(KVM_PATIENCE)
        except MachineDied as died:
            machine.close()
            say(f"KVM does not run guests on this machine ({died.kind}): emulation from now on")
            _remember_kvm(works=False)
            machine = Machine(replace(setup, accel="tcg"), console_log=console_log)
        else:
            _remember_kvm(works=True)
            try:
                yield machine
            finally:
                machine.close()
            return
    with machine:
        yield machine


def _kvm_file() -> Path:
    return cache_dir() / "kvm.json"


def _host_identity() -> str:
    """Changes when this machine is another one or boots again: what was found out about KVM may differ then."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _remember_kvm(*, works: bool) -> None:
    _kvm_file().write_text(json.dumps({"host": _host_identity(), "works": works}))


def _accelerator(options: Options) -> str:
    if options.accel != "auto":
        return options.accel
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    try:
        known = json.loads(_kvm_file().read_text())
    except (OSError, ValueError):
        return "kvm"
    return "tcg" if known.get("host") == _host_identity() and not known.get("works") else "kvm"


def keep_cache(machine: Machine, kernel: Kernel) -> None:
    """Bring home what the guest compiled, so that the next run on this kernel starts warm."""
    done = machine.run(["/bin/sh", "-c", PULL], timeout=60)
    if done.code != 0:
        return
    try:
        new = checkout.unpack_cache(
            machine.get("/run/syscast-cache.tar"), guest_cache(kernel), known=_host_cache()
        )
    except HarnessError as error:
        say(str(error))
        return
    if new:
        say(f"kept {new} new files of the guest's cache")
