"""A writer of initramfs archives (cpio "newc", Documentation/driver-api/early-userspace/buffer-format.rst)."""

from __future__ import annotations


class Archive:
    """Collects files and directories, then gives the archive's bytes. All entries belong to root."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._inode = 1

    def _add(self, name: str, mode: int, data: bytes, device: tuple[int, int] = (0, 0)) -> None:
        encoded = name.encode() + b"\0"
        fields = (self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(encoded), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
        self._parts += [head, b"\0" * (-len(head) % 4), data, b"\0" * (-len(data) % 4)]
        self._inode += 1

    def directory(self, name: str) -> None:
        """Add a directory."""
        self._add(name, 0o040755, b"")

    def file(self, name: str, data: bytes, mode: int = 0o644) -> None:
        """Add a regular file."""
        self._add(name, 0o100000 | mode, data)

    def link(self, name: str, target: str) -> None:
        """Add a symbolic link."""
        self._add(name, 0o120777, target.encode())

    def character_device(self, name: str, major: int, minor: int) -> None:
        """Add a character device node."""
        self._add(name, 0o020600, b"", (major, minor))

    def to_bytes(self) -> bytes:
        """The finished archive."""
        trailer = Archive()
        trailer._inode = 0
        trailer._add("TRAILER!!!", 0, b"")
        return b"".join([*self._parts, *trailer._parts])
