"""Where BTF comes from: the running kernel, its modules, or a file.

The kernel shows its BTF in ``/sys/kernel/btf``: ``vmlinux``, and a split BTF for each loaded module
(``CONFIG_DEBUG_INFO_BTF``, ``CONFIG_DEBUG_INFO_BTF_MODULES``). ``SYSCAST_BTF`` names a file to
use in place of ``vmlinux``, for a kernel that was built without.
"""

from __future__ import annotations

import errno
import os
import struct
from zlib import adler32, crc32

from syscast.btf import index_file
from syscast.btf.blob import BLOCK, Blob, FileBlob, MemoryBlob
from syscast.btf.index import Index
from syscast.btf.lookup import Btf
from syscast.errors import FormatError, KernelError, NotSupportedError, TargetError, UsageError

ENVIRONMENT = "SYSCAST_BTF"
_DIRECTORY = "/sys/kernel/btf"
_NOTES = "/sys/kernel/notes"
_KERNEL = "vmlinux"
_NOTE_GNU_BUILD_ID = 3
_SAMPLES = 16

_loaded: dict[str, Btf] = {}


def kernel() -> Btf:
    """Return the BTF of the running kernel; the same object for the life of the process.

    Raises:
        NotSupportedError: The kernel has none, and ``SYSCAST_BTF`` names no file.
        FormatError: It is not BTF.
    """
    override = os.environ.get(ENVIRONMENT, "")
    if not override:
        return _vmlinux()
    found = _loaded.get(override)
    if found is None:
        found = _loaded[override] = from_file(override)
    return found


def module(name: str) -> Btf:
    """Return the BTF of a loaded module, split over the kernel's.

    Raises:
        TargetError: No module of this name is loaded, or it has no BTF.
    """
    file_name = name.replace("-", "_")
    if "/" in name or file_name in {"", ".", "..", _KERNEL}:
        raise UsageError(f"module '{name}': read BTF: not the name of a module")
    path = f"{_DIRECTORY}/{file_name}"
    found = _loaded.get(path)
    if found is None:
        try:
            data = _read(path)
        except FileNotFoundError:
            from syscast.btf.near import nearest  # noqa: PLC0415 - only errors need it

            raise TargetError(
                f"module '{name}': read BTF: it is not loaded or has no BTF",
                nearest(name, modules()),
            ) from None
        except OSError as error:
            subject = f"module '{name}': read BTF"
            raise KernelError.from_errno(subject, error.errno or 0, "open") from error
        base = _vmlinux()
        key = f"{_content_key(data)}-{crc32(base.key.encode()):08x}"
        found = _loaded[path] = _indexed(MemoryBlob(data), base, file_name, key)
    return found


def modules() -> list[str]:
    """Return the names of the loaded modules that have BTF, sorted."""
    try:
        with os.scandir(_DIRECTORY) as entries:
            return sorted(entry.name for entry in entries if entry.name != _KERNEL)
    except OSError:
        return []


def from_file(path: str | os.PathLike[str]) -> Btf:
    """Read BTF from a file: raw BTF, or an ELF file with a ``.BTF`` section.

    A kernel module's ELF file may hold the part of its base that it needs, as ``.BTF.base``
    (pahole's ``distilled_base``); other split BTF needs ``Btf.from_bytes`` and its base.

    Raises:
        UsageError: The file cannot be read.
        FormatError: It holds no BTF.
    """
    name = os.fspath(path).rpartition("/")[2]
    try:
        data = _read(os.fspath(path))
    except OSError as error:
        cause = os.strerror(error.errno or 0).lower()
        raise UsageError(f"btf file '{name}': read: {cause}") from error
    base = None
    if data.startswith(b"\x7fELF"):
        data, base = _elf_section(data, name)
    return _indexed(MemoryBlob(data), base, name, _content_key(data))


def identity() -> str:
    """Return a short key of the content of ``kernel()``, for what is derived from it.

    For the running kernel it is made of the build id, the size and samples of the content,
    since reading all of it would cost a third of what a start may; otherwise of the whole content.
    """
    return kernel().key


def _vmlinux() -> Btf:
    path = f"{_DIRECTORY}/{_KERNEL}"
    found = _loaded.get(path)
    if found is not None:
        return found
    try:
        blob = FileBlob(path)
    except FileNotFoundError:
        raise NotSupportedError(
            "btf 'vmlinux': read: this kernel has no /sys/kernel/btf/vmlinux (use a kernel with "
            f"CONFIG_DEBUG_INFO_BTF=y, or set {ENVIRONMENT} to a file with its BTF)",
            errno.ENOENT,
            "open",
        ) from None
    except OSError as error:
        raise KernelError.from_errno("btf 'vmlinux': read", error.errno or 0, "open") from error
    build_id = _build_id()
    if build_id:
        key = f"{build_id}-{blob.size:x}-{_samples(blob):08x}"
    else:
        key = _content_key(blob.read(0, blob.size))
    found = _loaded[path] = _indexed(blob, None, _KERNEL, key)
    return found


def _indexed(blob: Blob, base: Btf | None, name: str, key: str) -> Btf:
    """Make a ``Btf`` with the index from the cache, or build the index and keep it there."""
    btf = Btf(blob, base=base, name=name, key=key)
    path = index_file.location(f"{crc32(name.encode()):08x}-{key}")
    made = index_file.read(path, key) if path else None
    if made is None:
        image, shape = btf.index_image()
        made = Index(MemoryBlob(image), shape)
        if path:
            index_file.write(path, key, image, shape)
    btf.use_index(made)
    return btf


def _elf_section(data: bytes, name: str) -> tuple[bytes, Btf | None]:
    from syscast.elf import Elf  # noqa: PLC0415 - the running kernel's BTF is no ELF file

    elf = Elf(data, f"btf file '{name}'")
    section = elf.section(".BTF")
    if section is None:
        raise FormatError(f"btf file '{name}': read: an ELF file without a .BTF section")
    distilled = elf.section(".BTF.base")
    base = Btf.from_bytes(bytes(elf.content(distilled)), name=name) if distilled else None
    return bytes(elf.content(section)), base


def _read(path: str) -> bytes:
    blob = FileBlob(path)
    try:
        return blob.read(0, blob.size)
    finally:
        blob.close()


def _content_key(data: bytes) -> str:
    return f"{len(data):x}-{crc32(data):08x}{adler32(data):08x}"


def _samples(blob: FileBlob) -> int:
    """Return a checksum over blocks from all over the file.

    The build id alone is not enough: a virtual machine monitor may hand on another kernel's.
    """
    check = 0
    for number in range(_SAMPLES):
        offset = (blob.size // _SAMPLES * number) & -BLOCK
        check = crc32(blob.read(offset, min(BLOCK, blob.size - offset)), check)
    return check


def _build_id() -> str:
    """Return the GNU build id of the running kernel in hex, or "" where it does not tell."""
    try:
        notes = _read(_NOTES)
    except OSError:
        return ""
    offset = 0
    try:
        while offset < len(notes):
            name_size, size, kind = struct.unpack_from("=III", notes, offset)
            name = notes[offset + 12 : offset + 12 + name_size]
            offset += 12 + (name_size + 3 & ~3)
            if kind == _NOTE_GNU_BUILD_ID and name == b"GNU\0":
                return notes[offset : offset + min(size, 32)].hex()
            offset += size + 3 & ~3
    except struct.error:
        pass
    return ""
