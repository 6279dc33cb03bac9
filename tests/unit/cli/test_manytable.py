"""Arguments of many functions, by the names that the kernel's types have for them."""

from __future__ import annotations

from syscast.cli.manytable import _Argument, _Arguments


def test_a_register_as_its_argument():
    assert _Argument("sk", 0, 8, signed=False, hexadecimal=True).text(0xFFFF888000000000) == (
        "sk=0xffff888000000000"
    )
    assert _Argument("flags", 1, 4, signed=True, hexadecimal=False).text(0xDEAD_FFFF_FFFE) == (
        "flags=-2"
    )
    assert _Argument("size", 1, 8, signed=False, hexadecimal=False).text(1 << 63) == (
        f"size={1 << 63}"
    )


def test_system_calls_and_what_nobody_knows():
    arguments = _Arguments()
    assert arguments.text("getpriority", [0, 5, 1, 2, 3, 4]) == "which=0 who=5"
    assert arguments.text("getpid", [1, 2, 3, 4, 5, 6]) == ""
    assert arguments.text("/lib/libc.so.6:read", [16, 0]) == "arg0=0x10 arg1=0x0"
