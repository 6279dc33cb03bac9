"""The uncompressed kernel out of a bzImage: booting the ELF saves several seconds of emulated decompression.

The boot protocol (Documentation/arch/x86/boot.rst) gives the place of the payload: header fields setup_sects (0x1f1),
payload_offset (0x248) and payload_length (0x24c), protocol 2.08 and later.
"""

from __future__ import annotations

import bz2
import lzma
import struct
import subprocess
import zlib

from vmtest.host import HarnessError, require_tool

ELF_MAGIC = b"\x7fELF"


def payload(image: bytes) -> bytes:
    """The compressed kernel inside a bzImage. Raises HarnessError for anything that is not one."""
    if len(image) < 0x260 or image[0x202:0x206] != b"HdrS":
        raise HarnessError("kernel image: not a bzImage (no HdrS header)")
    sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (sectors + 1) * 512 + offset
    if not length or start + length > len(image):
        raise HarnessError("kernel image: its header points outside of the file")
    return image[start : start + length]


def _external(command: list[str], data: bytes) -> bytes:
    command = [require_tool(command[0]), *command[1:]]
    # The payload ends with its uncompressed size in four bytes: tools call that trailing garbage, so only the output counts.
    return subprocess.run(
        command, check=False, input=data, capture_output=True, timeout=120
    ).stdout


def decompress(data: bytes) -> bytes:
    """Decompress a kernel payload by its magic number. Raises HarnessError for an unknown or damaged one."""
    if data.startswith(ELF_MAGIC):
        return data
    try:
        if data.startswith(b"\xfd7zXZ\0"):
            result = lzma.LZMADecompressor(format=lzma.FORMAT_XZ).decompress(data)
        elif data.startswith(b"\x1f\x8b"):
            result = zlib.decompressobj(wbits=31).decompress(data)
        elif data.startswith(b"BZh"):
            result = bz2.BZ2Decompressor().decompress(data)
        elif data.startswith(b"\x5d\0\0"):
            result = lzma.LZMADecompressor(format=lzma.FORMAT_ALONE).decompress(data)
        elif data.startswith(b"\x28\xb5\x2f\xfd"):
            result = _external(["zstd", "-dc"], data[:-4])
        elif data.startswith(b"\x02\x21\x4c\x18"):
            result = _external(["lz4", "-dc"], data[:-4])
        else:
            raise HarnessError(f"kernel image: unknown compression (magic {data[:4].hex()})")
    except (lzma.LZMAError, zlib.error, OSError) as error:
        raise HarnessError(f"kernel image: decompress: {error}") from error
    if not result.startswith(ELF_MAGIC):
        raise HarnessError("kernel image: the payload is not an ELF file")
    return result


def vmlinux(image: bytes) -> bytes:
    """The ELF kernel of a bzImage, or the image itself when it is an ELF file already."""
    return image if image.startswith(ELF_MAGIC) else decompress(payload(image))
