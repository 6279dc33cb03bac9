"""What the harness uses of this machine: cache directory, tools, locks, running commands with a time-out."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PROJECT = Path(__file__).resolve().parents[2]

# Command -> Debian package that has it. depmod only makes modprobe work inside the guest.
TOOL_PACKAGES = {
    "qemu-system-x86_64": "qemu-system-x86",
    "mke2fs": "e2fsprogs",
    "depmod": "kmod",
    "zstd": "zstd",
    "lz4": "lz4",
}


class HarnessError(Exception):
    """The harness cannot do what was asked; the message is for the user."""


def say(message: str) -> None:
    """Print one line of progress on standard error."""
    print(f"vm: {message}", file=sys.stderr, flush=True)


def cache_dir() -> Path:
    """Directory where kernels and guest images are kept; made when missing."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(base) / "syscast" / "vm"
    path.mkdir(parents=True, exist_ok=True)
    return path


def find_tool(name: str) -> str | None:
    """Path of a command, looking into the sbin directories too (a user's PATH often lacks them)."""
    path = os.environ.get("PATH", os.defpath)
    return shutil.which(name, path=f"{path}:/usr/local/sbin:/usr/sbin:/sbin")


def as_root() -> list[str] | None:
    """Prefix that makes a command run as root without asking for a password, or None when there is no such way."""
    if os.geteuid() == 0:
        return []
    sudo = find_tool("sudo")
    if sudo is None:
        return None
    probe = subprocess.run([sudo, "-n", "true"], check=False, capture_output=True, timeout=20)
    return [sudo, "-n"] if probe.returncode == 0 else None


def run(
    argv: Sequence[str | Path],
    *,
    timeout: float,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
) -> str:
    """Run a command to its end and return its standard output.

    Raises HarnessError with the end of what it said when it fails or takes longer than `timeout` seconds.
    """
    words = [str(word) for word in argv]
    merged = {**os.environ, "LC_ALL": "C.UTF-8", **(env or {})}
    try:
        done = subprocess.run(
            words,
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            cwd=cwd,
            env=merged,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise HarnessError(
            f"command '{words[0]}': no end after {timeout:.0f} s: {' '.join(words)}"
        ) from error
    except FileNotFoundError as error:
        raise HarnessError(f"command '{words[0]}': not found") from error
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-12:])
        raise HarnessError(
            f"command '{words[0]}': exit code {done.returncode}: {' '.join(words)}\n{tail}"
        )
    return done.stdout


def end_on_signals() -> None:
    """Make SIGTERM and SIGHUP end this process like Ctrl-C, so that VMs and temporary files go with it."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


def require_tool(name: str) -> str:
    """Path of a command; installs its Debian package when this runs as root and it is missing."""
    found = find_tool(name)
    if found is not None:
        return found
    package = TOOL_PACKAGES.get(name, name)
    prefix = as_root()
    if prefix is None or find_tool("apt-get") is None:
        raise HarnessError(
            f"command '{name}': not found (install the package {package}, or run as root on Debian)"
        )
    say(f"installing {package}")
    apt_get(prefix, ["update", "-q"], timeout=300)
    apt_get(prefix, ["install", "-q", "-y", "--no-install-recommends", package], timeout=900)
    found = find_tool(name)
    if found is None:
        raise HarnessError(f"command '{name}': not found although {package} was installed")
    return found


def apt_get(prefix: Sequence[str], arguments: Sequence[str], *, timeout: float) -> str:
    """Run the system's apt-get without questions, waiting for another apt's lock."""
    return run(
        [
            *prefix,
            "env",
            "DEBIAN_FRONTEND=noninteractive",
            "apt-get",
            "-o",
            "DPkg::Lock::Timeout=300",
            *arguments,
        ],
        timeout=timeout,
    )


@contextlib.contextmanager
def lock(name: str, *, timeout: float = 1200) -> Iterator[None]:
    """Hold an exclusive lock on a part of the cache, shared by all runs of one user."""
    path = cache_dir() / f"{name}.lock"
    deadline = time.monotonic() + timeout
    with path.open("w") as handle:
        told = False
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise HarnessError(
                        f"lock '{path}': held by another run for {timeout:.0f} s"
                    ) from None
                if not told:
                    say(f"waiting for another run that holds {path.name}")
                    told = True
                time.sleep(0.2)
        yield


def make_ext4(tree: Path, image: Path, *, label: str) -> None:
    """Make an ext4 image of a directory tree without mounting anything.

    Files belong to root in the image: this runs as root, or in a user namespace where the user is shown as root.
    """
    size = 0
    inodes = 0
    for directory, _, names in os.walk(tree):
        inodes += 1 + len(names)
        for name in names:
            size += (os.lstat(f"{directory}/{name}").st_size + 8191) // 4096 * 4096
    blocks = size // 4096 + inodes // 8 + 8192
    command: list[str] = []
    if os.geteuid() != 0 and find_tool("unshare") is not None:
        command = ["unshare", "--user", "--map-root-user"]
    partial = image.with_name(f"{image.name}.{os.getpid()}.partial")
    partial.unlink(missing_ok=True)
    command += [
        require_tool("mke2fs"),
        "-q",
        "-t",
        "ext4",
        "-O",
        "^has_journal,^resize_inode,^metadata_csum",
        "-m",
        "0",
        "-b",
        "4096",
        "-I",
        "256",
        "-N",
        str(inodes + 256),
        "-E",
        "root_owner=0:0",
        "-L",
        label,
        "-d",
        str(tree),
        str(partial),
        str(blocks),
    ]
    try:
        run(command, timeout=600)
        partial.rename(image)
    finally:
        partial.unlink(missing_ok=True)
