"""What goes into a VM on each run: the project's files as they are now, and a seed for its caches.

A plain tar is handed over as a small disk; the guest unpacks it over its root. Files that git ignores stay out, uncommitted
work goes in.
"""

from __future__ import annotations

import io
import os
import py_compile
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from vmtest.host import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterable

GUEST_DIR = "syscast"  # below the guest's root
GUEST_TAG = "cpython-311"
CACHE_DIR = "root/.cache/syscast"
SKIP = frozenset({".git", ".venv", "build", "dist", "__pycache__", "node_modules"})


def project_files(project: Path = PROJECT) -> list[Path]:
    """The checkout's files relative to the project: all that git tracks or would track, else all but build output."""
    try:
        listing = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=project,
            check=True,
            capture_output=True,
            timeout=60,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return sorted(_walk(project))
    return sorted({Path(os.fsdecode(name)) for name in listing.split(b"\0") if name})


def _walk(project: Path) -> Iterable[Path]:
    for directory, folders, names in os.walk(project):
        folders[:] = [
            name
            for name in folders
            if name not in SKIP and not name.endswith(("_cache", ".egg-info"))
        ]
        yield from ((Path(directory) / name).relative_to(project) for name in names)


def _add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    try:
        info = archive.gettarinfo(path, name)
        if not (info.isreg() or info.issym()):
            return
        info.uid = info.gid = 0
        info.uname = info.gname = "root"
        if info.isreg():
            with path.open("rb") as handle:
                archive.addfile(info, handle)
        else:
            archive.addfile(info)
    except FileNotFoundError:
        return  # an editor or another process took it away meanwhile


def _add_compiled(archive: tarfile.TarFile, path: Path, relative: Path, scratch: Path) -> None:
    """Add a module's byte code, which an emulated Python would take seconds to make on each start.

    Left out when this Python is not the guest's version; the guest then compiles on first import.
    """
    tag = sys.implementation.cache_tag
    if tag != GUEST_TAG:
        return
    try:
        py_compile.compile(
            str(path),
            cfile=str(scratch),
            dfile=f"/{GUEST_DIR}/{relative}",
            doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
    except (py_compile.PyCompileError, OSError):
        return  # half-written or gone: the guest says so better
    name = f"{GUEST_DIR}/{relative.parent}/__pycache__/{relative.stem}.{tag}.pyc"
    _add(archive, scratch, name)


def _add_folder(archive: tarfile.TarFile, name: str) -> None:
    info = tarfile.TarInfo(name)
    info.type = tarfile.DIRTYPE
    info.mode = 0o700
    archive.addfile(info)


def _metadata(project: Path) -> dict[str, bytes]:
    """An installed-package record, so that importlib.metadata knows the version inside the guest."""
    table = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    folder = f"opt/site/{table['name']}-{table['version']}.dist-info"
    return {
        f"{folder}/METADATA": f"Metadata-Version: 2.1\nName: {table['name']}\nVersion: {table['version']}\n".encode(),
        f"{folder}/RECORD": b"",
    }


def write(target: Path, *, seeds: Iterable[Path], project: Path = PROJECT) -> None:
    """Write the tar to `target`. `seeds` are host cache directories whose content the guest's cache starts with; later ones win."""
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as archive:
        for relative in project_files(project):
            _add(archive, project / relative, f"{GUEST_DIR}/{relative}")
            if relative.suffix == ".py" and relative.parts[0] == "src":
                _add_compiled(archive, project / relative, relative, target.with_name("code"))
        for name, data in _metadata(project).items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for seed in seeds:
            for directory, folders, names in os.walk(seed):
                folders[:] = [
                    name for name in folders if not (Path(directory) == seed and name == "vm")
                ]
                _add_folder(archive, f"{CACHE_DIR}/{Path(directory).relative_to(seed)}")
                for name in names:
                    path = Path(directory) / name
                    _add(archive, path, f"{CACHE_DIR}/{path.relative_to(seed)}")


def unpack_cache(data: bytes, target: Path, *, known: Path) -> int:
    """Store the cache that a guest brought back, but for files that `target` or `known` has. Returns the number of new files."""
    new = 0
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            place = target / member.name
            source = archive.extractfile(member) if member.isreg() else None
            if (
                source is None
                or ".." in place.parts
                or place.exists()
                or (known / member.name).exists()
            ):
                continue
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            partial = place.with_name(f"{place.name}.{os.getpid()}")
            partial.write_bytes(source.read())
            partial.chmod(member.mode & 0o777)
            partial.rename(place)
            new += 1
    return new
