from pathlib import Path

import pytest

from syscast.btf.encode import BtfBuilder
from syscast.btf.lookup import Btf
from syscast.btf.types import (
    INT_SIGNED,
    Array,
    Const,
    Func,
    FuncProto,
    Int,
    Member,
    Param,
    Ptr,
    Struct,
    Typedef,
)

VMLINUX = Path("/sys/kernel/btf/vmlinux")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Keep the user's cache out of the tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("SYSCAST_BTF", raising=False)


@pytest.fixture(scope="session")
def vmlinux():
    if not VMLINUX.exists():
        pytest.skip("this kernel has no BTF")
    return Btf.from_bytes(VMLINUX.read_bytes(), name="vmlinux")


class Small(BtfBuilder):
    """A few types such as every kernel has, and their ids."""

    def __init__(self):
        super().__init__()
        self.int = self.add(Int("int", 4, INT_SIGNED, 32))
        self.u16 = self.add(Int("unsigned short", 2, 0, 16))
        self.u64 = self.add(Int("unsigned long", 8, 0, 64))
        self.char = self.add(Int("char", 1, 0, 8))
        self.u8 = self.add(Int("unsigned char", 1, 0, 8))

    def struct(self, name, size, *members, is_union=False):
        return self.add(Struct(name, size, tuple(members), is_union))

    def function(self, name, *params, returns=None):
        proto = self.add(
            FuncProto(self.int if returns is None else returns, tuple(Param(*p) for p in params))
        )
        return self.add(Func(name, proto, 0))

    def sock(self):
        """Add sock, its embedded __sk_common, and inet_listen(); return the id of sock."""
        port = self.struct(
            "", 4, Member("skc_dport", self.u16, 0), Member("skc_num", self.u16, 16)
        )
        both = self.struct(
            "", 4, Member("skc_portpair", self.int, 0), Member("", port, 0), is_union=True
        )
        common = self.struct(
            "sock_common",
            16,
            Member("skc_hash", self.u64, 0),
            Member("", both, 64),
            Member("skc_reuse", self.u8, 96, 4),
            Member("skc_reuseport", self.u8, 100, 1),
        )
        sock = self.struct(
            "sock",
            64,
            Member("__sk_common", common, 0),
            Member("from", self.int, 128),
            Member("sk_name", self.add(Array(self.char, self.int, 16)), 160),
            Member("sk_data", self.add(Array(self.u64, self.int, 0)), 512),
        )
        pointer = self.add(Ptr(sock))
        self.add(Typedef("sock_t", self.add(Const(sock))))
        self.function("inet_listen", ("sk", pointer), ("backlog", self.int))
        self.function("inet_bind", ("sk", pointer))
        return sock

    def btf(self, name="small"):
        return Btf.from_bytes(self.encode(), name=name)


@pytest.fixture
def small():
    return Small()
