"""The guest's root image: a small Debian with Python, made without root, mounts or maintainer scripts.

Packages are downloaded with their dependencies into a private apt root and unpacked; the few things that maintainer scripts
would have done are done here. The Python packages of the project go to /opt/site, llvmlite alone to /opt/site-llvm, so that a
command can be run without it. The checkout is not in the image: it changes on every run (see checkout).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmtest import apt
from vmtest.host import HarnessError, cache_dir, lock, make_ext4, run, say

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SUITE = "bookworm"
PYTHON = "3.11"
PACKAGES = (
    "base-files",
    "base-passwd",
    "bash",
    "bpfcc-tools",
    "bpftool",
    "bpftrace",
    "busybox-static",
    "coreutils",
    "dash",
    "findutils",
    "grep",
    "iproute2",
    "kmod",
    "libc-bin",
    "libcap2-bin",
    "linux-libc-dev",
    "mount",
    "netcat-openbsd",
    "procps",
    "python3",
    "python3-bpfcc",
    "python3-netaddr",
    "sed",
    "socat",
    "tar",
    "util-linux",
)
LAYOUT = 4  # bump when the code below changes what the image holds
# Commands of busybox for what the packages above leave out.
BUSYBOX = ("awk", "clear", "cmp", "diff", "less", "ping", "vi", "wget", "which", "xargs")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an image is made of; two equal recipes share one image.

    Attributes:
        packages: Debian packages, dependencies come along.
        requirements: Python requirements of /opt/site, pinned.
        compiler: requirements of /opt/site-llvm, pinned.
    """

    packages: tuple[str, ...]
    requirements: tuple[str, ...]
    compiler: tuple[str, ...]

    def key(self) -> str:
        """Name of the image in the cache."""
        parts = [
            LAYOUT,
            SUITE,
            PYTHON,
            apt.architecture(),
            self.packages,
            self.requirements,
            self.compiler,
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def recipe(pins: dict[str, str], extra_packages: Sequence[str] = ()) -> Recipe:
    """The project's image for the package versions that its virtual environment has.

    `pins` maps names of Python packages to versions: the closure of the run dependencies and of what tests need.
    """
    compiler = tuple(
        f"{name}=={version}" for name, version in sorted(pins.items()) if name == "llvmlite"
    )
    others = tuple(
        f"{name}=={version}" for name, version in sorted(pins.items()) if name != "llvmlite"
    )
    return Recipe(tuple(sorted({*PACKAGES, *extra_packages})), others, compiler)


def get(wanted: Recipe) -> Path:
    """The ext4 image of a recipe, built when the cache has none."""
    image = cache_dir() / "images" / f"{wanted.key()}.ext4"
    if image.exists():
        os.utime(image)
        return image
    with lock("images"):
        if not image.exists():
            image.parent.mkdir(exist_ok=True)
            _build(wanted, image)
            _forget_old(image)
    return image


def busybox() -> Path:
    """A static busybox for the initramfs, out of the guest's own packages."""
    path = cache_dir() / "images" / "busybox"
    if not path.exists():
        raise HarnessError("guest image: busybox is missing (delete the cache directory)")
    return path


def _forget_old(keep: Path) -> None:
    images = sorted(
        keep.parent.glob("*.ext4"), key=lambda path: path.stat().st_mtime, reverse=True
    )
    for path in images[4:]:
        if path != keep:
            path.unlink()


def _build(wanted: Recipe, image: Path) -> None:
    say(f"building the guest image ({len(wanted.packages)} packages and what they need; once)")
    work = image.with_name(f"{wanted.key()}.{os.getpid()}.work")
    shutil.rmtree(work, ignore_errors=True)
    try:
        tree = work / "tree"
        _merged_usr(tree)
        root = apt.AptRoot(cache_dir() / "apt-guest", (SUITE,))
        root.update()
        for package in root.download_closure(wanted.packages):
            apt.extract(package, tree)
        _finish(tree)
        _pip(wanted.requirements, tree / "opt" / "site")
        _pip(wanted.compiler, tree / "opt" / "site-llvm")
        _compile(tree)
        partial = image.with_name(f"busybox.{os.getpid()}")
        shutil.copy2(tree / "usr" / "bin" / "busybox", partial)
        partial.rename(image.with_name("busybox"))
        make_ext4(tree, image, label="syscast")
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _merged_usr(tree: Path) -> None:
    for name in ("bin", "sbin", "lib"):
        (tree / "usr" / name).mkdir(parents=True)
        (tree / name).symlink_to(f"usr/{name}")
    (tree / "usr" / "lib64").mkdir()
    (tree / "lib64").symlink_to("usr/lib64")
    for name in (
        "dev",
        "proc",
        "sys",
        "run",
        "tmp",
        "root",
        "home/user",
        "opt",
        "etc",
        "var/tmp",
        "mnt",
    ):
        (tree / name).mkdir(parents=True, exist_ok=True)


def _finish(tree: Path) -> None:
    """What the packages' scripts would have done, as far as tests need it."""
    binaries = tree / "usr" / "bin"
    for name, target in (("sh", "dash"), ("nc", "nc.openbsd"), ("python", "python3")):
        if not (binaries / name).exists():
            (binaries / name).symlink_to(target)
    for name in BUSYBOX:
        if not (binaries / name).exists():
            (binaries / name).symlink_to("busybox")
    (tree / "etc" / "passwd").write_text(
        "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"
        "user:x:1000:1000:user:/home/user:/bin/bash\n",
    )
    (tree / "etc" / "group").write_text("root:x:0:\nnogroup:x:65534:\nuser:x:1000:\n")
    (tree / "etc" / "hosts").write_text(
        "127.0.0.1 localhost syscast-vm\n::1 localhost ip6-localhost\n"
    )
    (tree / "etc" / "hostname").write_text("syscast-vm\n")
    (tree / "etc" / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")
    launcher = binaries / "syscast"
    launcher.write_text('#!/bin/sh\nexec python3 -m syscast "$@"\n')
    launcher.chmod(0o755)
    for waste in (
        "usr/share/doc",
        "usr/share/man",
        "usr/share/locale",
        "usr/share/info",
        "usr/share/gcc",
    ):
        shutil.rmtree(tree / waste, ignore_errors=True)
    for path in tree.rglob(
        "*"
    ):  # a directory or file that only root may read stops a build by another user
        if not path.is_symlink() and not path.stat().st_mode & 0o400:
            path.chmod(0o600)


def _pip(requirements: Sequence[str], target: Path) -> None:
    target.mkdir(parents=True)
    if not requirements:
        return
    glibc = [
        flag
        for minor in (36, 35, 34, 31, 28, 27, 24, 17)
        for flag in ("--platform", f"manylinux_2_{minor}_{_machine()}")
    ]
    run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--no-compile",
            "--only-binary=:all:",
            "--implementation",
            "cp",
            "--python-version",
            PYTHON,
            *glibc,
            "--platform",
            f"manylinux2014_{_machine()}",
            "--target",
            target,
            *requirements,
        ],
        timeout=900,
    )


def _compile(tree: Path) -> None:
    """Byte-compile all Python files with the guest's own interpreter: emulated, each start would spend seconds on it."""
    library = tree / "usr" / "lib"
    multiarch = library / f"{_machine()}-linux-gnu"
    loader = next(iter([*(tree / "lib64").glob("ld-linux-*"), *library.glob("ld-linux-*")]))
    folders = [library / f"python{PYTHON}", library / "python3", tree / "opt"]
    # Some files are templates or test data that do not compile: compileall then ends with 1, with all others done.
    subprocess.run(
        [
            loader,
            "--library-path",
            multiarch,
            tree / "usr" / "bin" / f"python{PYTHON}",
            "-S",
            "-m",
            "compileall",
            "-q",
            "-q",
            "-j",
            "2",
            "--invalidation-mode",
            "unchecked-hash",
            "-s",
            tree,
            "-p",
            "/",
            *folders,
        ],
        check=False,
        capture_output=True,
        timeout=900,
        env={"PYTHONHOME": str(tree / "usr")},
    )
    if not list((tree / "usr" / "lib" / f"python{PYTHON}" / "__pycache__").glob("os.*.pyc")):
        raise HarnessError(
            "guest image: its Python does not run here, so that nothing could be compiled"
        )


def _machine() -> str:
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(apt.architecture(), "x86_64")
