"""Answers of probes on disk, for as long as the machine runs and the caller has the same rights.

One small file per boot, user, capabilities and namespaces, under
``${XDG_CACHE_HOME:-~/.cache}/syscast/features``. It is read only if it and its directory belong
to the caller and nobody else may write there, and only if its checksum holds; anything else
counts as absent. Failures to write are ignored: the cache saves time, and decides nothing.
"""

from __future__ import annotations

import contextlib
import os
import stat
import zlib
from typing import TYPE_CHECKING

from syscast.features.feature import NO, YES, Result
from syscast.kernel import host
from syscast.kernel.textfiles import device_and_inode

if TYPE_CHECKING:
    from collections.abc import Mapping

# To be counted up when a probe changes its mind.
_FORMAT = "syscast features 1"
_SIZE_MAX = 1 << 16


def location() -> str | None:
    """The path of the file for this machine's boot and this caller; None without a home."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not base.startswith("/"):
        home = os.environ.get("HOME", "")
        if not home.startswith("/"):
            return None
        base = f"{home}/.cache"
    boot = host.boot_id()
    if not boot:
        return None
    places = [device_and_inode(f"/proc/self/ns/{kind}") for kind in ("user", "mnt")]
    numbers = "-".join(str(place[1]) for place in places if place)
    caller = f"{os.geteuid()}-{host.capability_mask():x}"
    return f"{base}/syscast/features/{boot}-{caller}-{numbers}"


def read(path: str) -> dict[str, Result]:
    """The answers in a file; none if it is absent, foreign, open to others, or damaged."""
    try:
        if not _is_private(os.lstat(path.rpartition("/")[0])):
            return {}
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return {}
    try:
        found = os.fstat(number)
        if not (stat.S_ISREG(found.st_mode) and _is_private(found)):
            return {}
        data = os.read(number, _SIZE_MAX)
    except OSError:
        return {}
    finally:
        os.close(number)
    return decode(data)


def _is_private(found: os.stat_result) -> bool:
    others_may_write = stat.S_IMODE(found.st_mode) & (stat.S_IWGRP | stat.S_IWOTH)
    return found.st_uid == os.geteuid() and not others_may_write


def decode(data: bytes) -> dict[str, Result]:
    """The answers in a file's bytes; none if they are damaged."""
    head, _, body = data.partition(b"\n")
    if head.decode("ascii", "replace") != f"{_FORMAT} {zlib.crc32(body):08x}":
        return {}
    results = {}
    for line in body.decode("utf-8", "replace").splitlines():
        fields = line.split("\t")
        if len(fields) != 4 or fields[1] not in {YES, NO} or not fields[2].isdecimal():
            return {}
        results[fields[0]] = Result(fields[1], fields[3], int(fields[2]))
    return results


def encode(results: Mapping[str, Result]) -> bytes:
    """The bytes of a file; inconclusive answers are left out."""
    lines = []
    for name, (outcome, reason, number) in results.items():
        if outcome in {YES, NO}:
            text = " ".join(reason.split())
            lines.append(f"{name}\t{outcome}\t{number}\t{text}\n")
    body = "".join(lines).encode("utf-8", "replace")
    return f"{_FORMAT} {zlib.crc32(body):08x}\n".encode() + body


def write(path: str, results: Mapping[str, Result]) -> None:
    """Write a file by a rename, and remove those of earlier boots; failures are ignored."""
    from pathlib import Path  # noqa: PLC0415  # 5 ms that only the first start of a boot pays

    target = Path(path)
    with contextlib.suppress(OSError):
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_private(target.parent.lstat()):
            return
        fresh = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(fresh, flags, 0o600), "wb") as file:
                file.write(encode(results))
            fresh.rename(target)
        finally:
            fresh.unlink(missing_ok=True)
        for other in target.parent.iterdir():
            if other != target and not other.name.lstrip(".").startswith(host.boot_id()):
                other.unlink(missing_ok=True)
