"""Types that every text knows: C's own by their words, and the names that kernel headers give them.

Of the names, some mean the same on every kernel. The others are looked up in BTF first, since they differ
between kernels or configurations; what stands here is for kernels whose BTF lacks them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.frontend.c.types import (
    BOOL,
    CHAR,
    INT,
    INT128,
    LONG,
    LONG_LONG,
    SHORT,
    SIGNED_CHAR,
    UNSIGNED_CHAR,
    UNSIGNED_INT,
    UNSIGNED_INT128,
    UNSIGNED_LONG,
    UNSIGNED_LONG_LONG,
    UNSIGNED_SHORT,
    VOID,
    Float,
    Int,
    named,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.frontend.c.types import CType

_UNSIGNED_CHAR_MACHINES = frozenset({"aarch64"})
_MOST_WORDS = 5

_WORDS: dict[tuple[str, ...], CType] = {
    tuple(sorted(words.split())): ctype
    for ctype, spellings in (
        (VOID, "void"),
        (CHAR, "char"),
        (SIGNED_CHAR, "signed char"),
        (UNSIGNED_CHAR, "unsigned char"),
        (SHORT, "short;short int;signed short;signed short int"),
        (UNSIGNED_SHORT, "unsigned short;unsigned short int"),
        (INT, "int;signed;signed int"),
        (UNSIGNED_INT, "unsigned;unsigned int"),
        (LONG, "long;long int;signed long;signed long int"),
        (UNSIGNED_LONG, "unsigned long;unsigned long int"),
        (LONG_LONG, "long long;long long int;signed long long;signed long long int"),
        (UNSIGNED_LONG_LONG, "unsigned long long;unsigned long long int"),
        (INT128, "__int128;signed __int128;__int128_t"),
        (UNSIGNED_INT128, "unsigned __int128;__uint128_t"),
        (BOOL, "_Bool"),
        (Float("float", 4), "float"),
        (Float("double", 8), "double"),
        (Float("long double", 16), "long double"),
    )
    for words in spellings.split(";")
}  # fmt: skip

_EVERYWHERE: dict[str, CType] = {
    name: ctype
    for ctype, names in (
        (SIGNED_CHAR, "s8 __s8 int8_t"),
        (UNSIGNED_CHAR, "u8 __u8 uint8_t u_int8_t"),
        (SHORT, "s16 __s16 int16_t"),
        (UNSIGNED_SHORT, "u16 __u16 uint16_t u_int16_t __be16 __le16 __sum16"),
        (INT, "s32 __s32 int32_t"),
        (UNSIGNED_INT, "u32 __u32 uint32_t u_int32_t __be32 __le32 __wsum"),
        (LONG_LONG, "s64 __s64 int64_t"),
        (UNSIGNED_LONG_LONG, "u64 __u64 uint64_t u_int64_t __be64 __le64"),
        (UNSIGNED_LONG, "size_t __kernel_size_t uintptr_t"),
        (LONG, "ssize_t __kernel_ssize_t intptr_t ptrdiff_t"),
        (BOOL, "bool"),
    )
    for name in names.split()
}

_WHERE_BTF_LACKS_THEM: dict[str, CType] = {
    name: ctype
    for ctype, names in (
        (UNSIGNED_CHAR, "u_char unchar"),
        (UNSIGNED_SHORT, "umode_t u_short ushort __kernel_sa_family_t sa_family_t"),
        (INT, "pid_t __kernel_pid_t key_t clockid_t timer_t mqd_t rwf_t"),
        (
            UNSIGNED_INT,
            (
                "uid_t gid_t __kernel_uid32_t __kernel_gid32_t mode_t dev_t __kernel_dev_t nlink_t"
                " gfp_t fmode_t slab_flags_t blk_opf_t blk_mq_req_flags_t __poll_t uint u_int"
                " blk_qc_t fgf_t vm_fault_t"
            ),
        ),
        (LONG, "off_t __kernel_off_t time_t __kernel_time_t __kernel_long_t suseconds_t clock_t"),
        (LONG_LONG, "loff_t __kernel_loff_t ktime_t time64_t __kernel_time64_t"),
        (UNSIGNED_LONG, "ino_t __kernel_ulong_t ulong u_long pgoff_t"),
        (UNSIGNED_LONG_LONG, "sector_t blkcnt_t phys_addr_t dma_addr_t resource_size_t"),
    )
    for name in names.split()
}


def basic(words: Sequence[str], arch: str) -> CType | None:
    """The type that keywords name in any order: ``long unsigned int``; None for anything else.

    Args:
        words: The keywords.
        arch: Plain ``char`` is unsigned on ``aarch64``.
    """
    found = _WORDS.get(tuple(sorted(words))) if len(words) <= _MOST_WORDS else None
    return char(arch) if found is CHAR else found


def char(arch: str) -> Int:
    """Plain ``char`` on a machine."""
    return Int("char", 1, signed=arch not in _UNSIGNED_CHAR_MACHINES)


def everywhere(name: str) -> CType | None:
    """A name that means the same on every kernel, such as ``u32``."""
    found = _EVERYWHERE.get(name)
    return named(found, name) if found else None


def fallback(name: str) -> CType | None:
    """A name of kernel headers that BTF should know, such as ``pid_t``, where it does not."""
    found = _WHERE_BTF_LACKS_THEM.get(name)
    return named(found, name) if found else None


def base_names() -> frozenset[str]:
    """All names that `everywhere` and `fallback` know."""
    return frozenset(_EVERYWHERE) | frozenset(_WHERE_BTF_LACKS_THEM)
