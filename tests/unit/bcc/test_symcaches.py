"""Names of addresses in bcc's form, from this process and from a kernel that a file stands for."""

from __future__ import annotations

import ctypes
import os

import pytest

from syscast.bcc import symcaches
from syscast.bcc.stacktraces import bpf_stack_build_id
from syscast.bcc.symcaches import SymbolCache, add_module, ksym, ksymname, sym
from syscast.symbols import binary, kallsyms, libraries
from syscast.symbols.kallsyms import Kallsyms

SYMBOLS = b"""\
ffffffff81000100 T tcp_connect
ffffffff81000200 t tcp_sendmsg
ffffffffc0000100 t its_function\t[its_module]
"""


@pytest.fixture
def kernel(monkeypatch):
    monkeypatch.setattr(kallsyms, "_loaded", [Kallsyms(SYMBOLS)])


@pytest.fixture
def getppid():
    """Address of a libc function in this process."""
    return ctypes.cast(ctypes.CDLL(None).getppid, ctypes.c_void_p).value


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize(
    ("address", "options", "text"),
    [
        (0xFFFFFFFF81000110, {}, b"tcp_connect"),
        (0xFFFFFFFF81000110, {"show_offset": True}, b"tcp_connect+0x10"),
        (0xFFFFFFFF81000110, {"show_module": True}, b"tcp_connect [kernel]"),
        (
            0xFFFFFFFFC0000101,
            {"show_module": True, "show_offset": True},
            b"its_function+0x1 [its_module]",
        ),
        (0x1000, {"show_module": True, "show_offset": True}, b"[unknown]"),
    ],
)
def test_the_kernel(address, options, text):
    assert ksym(address, **options) == text
    assert sym(address, -1, **options) == text


@pytest.mark.usefixtures("kernel")
def test_addresses_of_names():
    assert ksymname(b"tcp_sendmsg") == 0xFFFFFFFF81000200
    assert ksymname(b"tcp_send") == -1


def test_this_process(getppid):
    pid = os.getpid()
    assert sym(getppid + 1, pid) == b"getppid"
    assert sym(getppid + 1, pid, show_offset=True) == b"getppid+0x1"
    module = sym(getppid, pid, show_module=True).removeprefix(b"getppid [").removesuffix(b"]")
    assert module.startswith(b"libc")
    assert sym(8, pid, show_module=True) == b"[unknown]"
    cache = SymbolCache(pid)
    assert cache.resolve_name(module, b"getppid") == getppid
    assert cache.resolve_name(None, b"no_such_function") == -1
    name, offset, path = cache.resolve(getppid + 2, demangle=True)
    assert (name, offset) == (b"getppid", 2)
    assert path.endswith(b"/" + module)


def test_a_process_that_is_gone():
    assert sym(0x5555, 2**22 + 1) == b"[unknown]"


def test_places_by_build_id(monkeypatch):
    monkeypatch.setattr(symcaches, "_build_ids", symcaches.BuildIds())
    path = libraries.find("c")
    libc = binary.read(path)
    place = libc.file_offset(libc.find("getppid")[0].address)
    assert libc.build_id
    frame = bpf_stack_build_id(1, (ctypes.c_ubyte * 20)(*bytes.fromhex(libc.build_id)), place + 3)
    assert add_module(os.fsencode(path)) == 0
    assert sym(frame, -1, show_offset=True) == b"getppid+0x3"
    assert add_module(b"/nowhere") == -1
