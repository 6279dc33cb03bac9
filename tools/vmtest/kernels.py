"""Kernels to test on: chosen by a short name, fetched from the Debian mirror, kept in the cache.

A name is `5.10` (the newest Debian kernel of that series), `newest`, or a path: a bzImage, an ELF vmlinux, or a directory with
`vmlinuz` or `vmlinux` and optionally `modules/RELEASE`.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vmtest import apt, bzimage
from vmtest.host import HarnessError, cache_dir, lock, make_ext4, require_tool, run, say

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SUITES = ("bullseye", "bookworm", "bookworm-backports", "trixie", "trixie-backports", "sid")
MATRIX = ("5.10", "6.1", "6.12", "newest")
LAYOUT = "2"  # bump when the code below changes what a cached kernel holds
INDEX_AGE = 7 * 24 * 3600.0
PACKAGE = re.compile(r"linux-(?:image|binary)-(?P<release>\d.*-cloud-(?P<arch>[a-z0-9]+))")


@dataclass(frozen=True, slots=True)
class Kernel:
    """One kernel that is ready to boot.

    Attributes:
        name: what the user called it, such as 6.12 or newest.
        release: what `uname -r` says in it (or the file name when it came from a path).
        boot: ELF vmlinux or bzImage to boot.
        modules: directory with `kernel/` and modules.builtin, or None for a kernel without modules.
        image: ext4 image with usr/lib/modules/RELEASE, or None.
    """

    name: str
    release: str
    boot: Path
    modules: Path | None
    image: Path | None


def version_key(release: str) -> tuple[tuple[int, int | str], ...]:
    """Sort key for releases: runs of digits count as numbers."""
    words = re.findall(r"\d+|[^\d.+-]+", release)
    return tuple((1, int(word)) if word.isdigit() else (0, word) for word in words)


def in_series(release: str, series: str) -> bool:
    """Whether a release such as 6.12.107+deb13-cloud-amd64 belongs to a series such as 6.12 (or 6.12.107)."""
    return re.match(rf"{re.escape(series)}(?![0-9])", release) is not None


def choose(releases: Iterable[str], name: str) -> list[str]:
    """Releases that a name means, the best first."""
    fitting = [release for release in releases if name == "newest" or in_series(release, name)]
    return sorted(fitting, key=version_key, reverse=True)


def _apt_root(*, refresh: bool) -> apt.AptRoot:
    root = apt.AptRoot(cache_dir() / "apt-kernels", SUITES)
    stamp = root.directory / "updated"
    if refresh or not stamp.exists() or time.time() - stamp.stat().st_mtime > INDEX_AGE:
        say("reading the mirror's package lists")
        root.update()
        stamp.touch()
    return root


def _cached(name: str) -> Path | None:
    """Directory of the release that a name was found to mean in the last days, when it is complete."""
    try:
        entry = json.loads((cache_dir() / "kernels" / "names.json").read_text())[name]
        directory = cache_dir() / "kernels" / entry["release"]
        fresh = time.time() - entry["at"] < INDEX_AGE
    except (OSError, ValueError, KeyError):
        return None
    return directory if fresh and _complete(directory) else None


def _complete(directory: Path) -> bool:
    try:
        return (directory / "complete").read_text() == LAYOUT
    except OSError:
        return False


def _remember(name: str, release: str) -> None:
    path = cache_dir() / "kernels" / "names.json"
    try:
        names = json.loads(path.read_text())
    except (OSError, ValueError):
        names = {}
    names[name] = {"release": release, "at": time.time()}
    path.write_text(json.dumps(names, indent=1))


def _fetch(root: apt.AptRoot, release: str, directory: Path) -> None:
    """Download and unpack one release into its cache directory."""
    work = directory.with_name(f"{directory.name}.{os.getpid()}.partial")
    shutil.rmtree(work, ignore_errors=True)
    try:
        names = root.packages(rf"linux-(image|binary|modules|base)-{re.escape(release)}")
        for package in root.download(names, work / "debs"):
            apt.extract(package, work / "tree")
        shutil.rmtree(work / "debs")
        image = next(
            iter(
                [*work.glob("tree/boot/vmlinuz-*"), *work.glob("tree/usr/lib/modules/*/vmlinuz")]
            ),
            None,
        )
        if image is None:
            raise HarnessError(f"kernel '{release}': its packages hold no vmlinuz")
        image.rename(work / "vmlinuz")
        _write_boot_image(work)
        _lay_out_modules(work, release)
        (work / "complete").write_text(LAYOUT)
        shutil.rmtree(directory, ignore_errors=True)
        work.rename(directory)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _write_boot_image(directory: Path) -> None:
    """Write vmlinux beside vmlinuz; without a decompressor the bzImage boots too, only slower."""
    try:
        elf = bzimage.vmlinux((directory / "vmlinuz").read_bytes())
    except HarnessError as error:
        say(f"{error} (booting the compressed image instead)")
        return
    (directory / "vmlinux").write_bytes(elf)


def _lay_out_modules(work: Path, release: str) -> None:
    """Move the modules to usr/lib/modules of an image tree, index them, and make the image."""
    tree = work / "tree"
    old = tree / "lib" / "modules"
    if old.is_dir() and not old.is_symlink():
        (tree / "usr" / "lib").mkdir(parents=True, exist_ok=True)
        old.rename(tree / "usr" / "lib" / "modules")
        (tree / "lib").rmdir()
    shutil.rmtree(tree / "usr" / "share", ignore_errors=True)
    for path in (tree / "boot").glob("System.map-*") if (tree / "boot").is_dir() else ():
        path.unlink()
    modules = tree / "usr" / "lib" / "modules" / release
    if not modules.is_dir():
        return
    try:
        depmod = require_tool("depmod")
    except HarnessError as error:
        say(f"{error}: modprobe will not find modules in the guest")
    else:
        (tree / "lib").symlink_to("usr/lib")
        run([depmod, "-b", tree, release], timeout=120)
        (tree / "lib").unlink()
    make_ext4(tree, work / "modules.ext4", label="modules")


def _describe(name: str, directory: Path) -> Kernel:
    release = directory.name
    elf = directory / "vmlinux"
    modules = directory / "tree" / "usr" / "lib" / "modules" / release
    image = directory / "modules.ext4"
    return Kernel(
        name,
        release,
        elf if elf.exists() else directory / "vmlinuz",
        modules if modules.is_dir() else None,
        image if image.exists() else None,
    )


def get(name: str) -> Kernel:
    """The kernel that a name means, fetched when it is not cached. Raises HarnessError."""
    if "/" in name or Path(name).exists():
        return from_path(Path(name))
    if name != "newest" and re.fullmatch(r"\d+(\.\d+)*", name) is None:
        raise HarnessError(f"kernel '{name}': not a series such as 6.12, nor 'newest', nor a path")
    with lock("kernels"):
        (cache_dir() / "kernels").mkdir(exist_ok=True)
        directory = _cached(name) or _get_from_mirror(name)
    return _describe(name, directory)


def headers(kernel: Kernel) -> Path:
    """Image with the headers of a kernel from the mirror, made when the cache has none (bcc compiles against them)."""
    directory = cache_dir() / "kernels" / kernel.release
    image = directory / "headers.ext4"
    with lock("kernels"):
        if not _complete(directory):
            raise HarnessError(
                f"kernel '{kernel.name}': headers: only kernels of the mirror have them"
            )
        if image.exists():
            return image
        root = _apt_root(refresh=False)
        series = kernel.release.partition("-cloud-")[0]
        names = root.packages(
            rf"linux-headers-({re.escape(kernel.release)}|{re.escape(series)}-common)"
        )
        if len(names) < 2:
            raise HarnessError(
                f"kernel '{kernel.name}': headers: the mirror has no packages of {kernel.release}"
            )
        with tempfile.TemporaryDirectory(prefix="headers-", dir=directory) as work:
            tree = Path(work) / "tree"
            (tree / "usr" / "lib").mkdir(parents=True)
            (tree / "lib").symlink_to("usr/lib")
            for package in root.download(names, Path(work) / "debs"):
                apt.extract(package, tree)
            (tree / "lib").unlink()
            make_ext4(tree, image, label="headers")
    return image


def _get_from_mirror(name: str) -> Path:
    root = _apt_root(refresh=False)
    arch = apt.architecture()
    found = (PACKAGE.fullmatch(package) for package in root.packages(PACKAGE.pattern))
    releases = {match["release"] for match in found if match is not None and match["arch"] == arch}
    candidates = choose(releases, name)
    if not candidates:
        raise HarnessError(f"kernel '{name}': the mirror has no cloud kernel of that series")
    problem: HarnessError | None = None
    for release in candidates[
        :3
    ]:  # an index can name packages that the mirror has dropped already
        directory = cache_dir() / "kernels" / release
        if not _complete(directory):
            say(f"fetching kernel {release}")
            try:
                _fetch(root, release, directory)
            except HarnessError as error:
                say(str(error))
                problem = error
                continue
        _remember(name, release)
        return directory
    raise HarnessError(f"kernel '{name}': cannot be fetched: {problem}")


def from_path(path: Path) -> Kernel:
    """A kernel given by the user: an image file, or a directory with one and its modules."""
    if path.is_dir():
        image = next(
            (path / name for name in ("vmlinux", "vmlinuz", "bzImage") if (path / name).exists()),
            None,
        )
        modules = next(
            (item for item in sorted((path / "modules").glob("*")) if (item / "kernel").is_dir()),
            None,
        )
        if image is None:
            raise HarnessError(
                f"kernel '{path}': no vmlinux, vmlinuz or bzImage in this directory"
            )
        return Kernel(
            str(path), modules.name if modules else path.name, image.absolute(), modules, None
        )
    if not path.exists():
        raise HarnessError(f"kernel '{path}': no such file")
    return Kernel(str(path), path.name, path.absolute(), None, None)


@functools.cache
def matrix() -> Sequence[str]:
    """Names of the kernels that CI runs."""
    return MATRIX
