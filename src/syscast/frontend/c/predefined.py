"""Macros that a compiler or the kernel's build defines before a text begins."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from syscast.frontend.c.definitions import definitions

if TYPE_CHECKING:
    from collections.abc import Mapping

_COMMON = """
#define __KERNEL__ 1
#define __STDC__ 1
#define __STDC_VERSION__ 201710L
#define __STDC_HOSTED__ 1
#define __GNUC__ 4
#define __GNUC_MINOR__ 2
#define __GNUC_PATCHLEVEL__ 1
#define __clang__ 1
#define __clang_major__ 16
#define __clang_minor__ 0
#define __clang_patchlevel__ 0
#define __OPTIMIZE__ 1
#define __linux__ 1
#define __linux 1
#define __unix__ 1
#define __LP64__ 1
#define _LP64 1
#define __CHAR_BIT__ 8
#define __SCHAR_MAX__ 127
#define __SHRT_MAX__ 32767
#define __INT_MAX__ 2147483647
#define __LONG_MAX__ 9223372036854775807L
#define __LONG_LONG_MAX__ 9223372036854775807LL
#define __SIZEOF_SHORT__ 2
#define __SIZEOF_INT__ 4
#define __SIZEOF_LONG__ 8
#define __SIZEOF_LONG_LONG__ 8
#define __SIZEOF_POINTER__ 8
#define __SIZEOF_SIZE_T__ 8
#define __SIZEOF_INT128__ 16
#define __SIZE_TYPE__ unsigned long
#define __PTRDIFF_TYPE__ long
#define __ORDER_LITTLE_ENDIAN__ 1234
#define __ORDER_BIG_ENDIAN__ 4321
#define __ORDER_PDP_ENDIAN__ 3412
#define __BYTE_ORDER__ 1234
#define __LITTLE_ENDIAN__ 1
#define __LITTLE_ENDIAN 1234
#define __LITTLE_ENDIAN_BITFIELD 1
#define __BYTE_ORDER 1234
#define CONFIG_CC_IS_CLANG 1
#define KBUILD_MODNAME "bcc"
#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + ((c) > 255 ? 255 : (c)))
#define __has_attribute(x) 0
#define __has_feature(x) 0
#define __has_builtin(x) 0
#define __has_include __has_include
#define __syscast_then_1 0,
#define __syscast_second(first, value, ...) value
#define __syscast_chosen(junk_or_comma) __syscast_second(junk_or_comma 1, 0, 0)
#define __syscast_pasted(value) __syscast_chosen(__syscast_then_##value)
#define __syscast_is_1(value) __syscast_pasted(value)
#define IS_BUILTIN(option) __syscast_is_1(option)
#define IS_MODULE(option) __syscast_is_1(option##_MODULE)
#define IS_ENABLED(option) (__syscast_is_1(option) || __syscast_is_1(option##_MODULE))
#define IS_REACHABLE(option) IS_ENABLED(option)
"""

_BY_ARCH = {
    "x86_64": """
#define __x86_64__ 1
#define __x86_64 1
#define __amd64__ 1
#define __amd64 1
#define __TARGET_ARCH_x86 1
""",
    "aarch64": """
#define __aarch64__ 1
#define __ARM_64BIT_STATE 1
#define __TARGET_ARCH_arm64 1
""",
}


@lru_cache(maxsize=8)
def predefined(arch: str, version_code: int) -> Mapping[str, str]:
    """Macros by name, as `Definitions.macros` has them.

    KERNEL_VERSION is clamped in its last part as the kernel's own is since 9b82f13e7ef3 ("kbuild: clamp SUBLEVEL to 255").
    """
    text = f"{_COMMON}{_BY_ARCH.get(arch, '')}#define LINUX_VERSION_CODE {version_code}\n"
    return definitions(text).macros
