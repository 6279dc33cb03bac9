"""What is written into read-only data before the verifier sees it."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from syscast.errors import TargetError, UsageError
from syscast.loader import config
from syscast.loader.config import configured
from syscast.spec import ConfigField, KconfigVar, MapSpec, ObjectMeta, ObjectSpec
from syscast.spec.read import read_object

OBJECTS = Path(__file__).parents[2] / "data/objects"
DATA = MapSpec(".rodata", "array", 4, 32, 1, initial=b"\xff" * 16, read_only=True)
META = ObjectMeta(config=(ConfigField("pid", 4, 4), ConfigField("comm", 16, 16)))
OWN = ObjectSpec("own", "GPL", (), (DATA,), meta=META)


def test_fields_of_the_config():
    (made,) = configured(OWN, {"pid": 7, "comm": b"sh"})
    assert made.initial == b"\xff" * 4 + struct.pack("<I", 7) + b"\xff" * 8 + b"sh" + bytes(14)
    (made,) = configured(OWN, {"pid": -1})
    assert made.initial[4:8] == b"\xff" * 4


def test_without_values_nothing_changes():
    assert configured(OWN, {}) == OWN.maps


def test_variables_of_a_foreign_object():
    sample = read_object((OBJECTS / "sample.bpf.o").read_bytes(), "sample")
    without = ObjectSpec("s", "GPL", (), sample.maps[:-1], sample.btf)
    made = {each.name: each for each in configured(without, {"only_pid": 9, "label": b"x"})}
    assert made[".rodata"].initial == struct.pack("<I8s", 9, b"x")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"port": 1}, r"object 'own': configure 'port': .*\(there are: pid, comm\)"),
        ({"pid": 1 << 32}, "object 'own': configure 'pid': 4294967296 does not fit into 4 bytes"),
        ({"comm": b"x" * 17}, "object 'own': configure 'comm': 17 bytes do not fit into 16"),
    ],
    ids=["unknown", "number", "bytes"],
)
def test_wrong_values(values, message):
    with pytest.raises(UsageError, match=message):
        configured(OWN, values)


def test_an_object_without_variables():
    with pytest.raises(UsageError, match="object 'x': configure pid: it has no variables"):
        configured(ObjectSpec("x", "GPL", (), ()), {"pid": 1})


def kconfig(var, options, monkeypatch):
    monkeypatch.setattr("syscast.kernel.host.kernel_config", lambda: options)
    section = MapSpec(".kconfig", "array", 4, var.offset + var.size, 1, initial=b"")
    spec = ObjectSpec("x", "GPL", (), (section,), kconfig=(var,))
    (made,) = configured(spec, {})
    return made.initial[var.offset :]


OPTIONS = {"CONFIG_HZ": "250", "CONFIG_BPF": "y", "CONFIG_NET": "m", "CONFIG_CC": "gcc 12"}


@pytest.mark.parametrize(
    ("var", "value"),
    [
        (KconfigVar("CONFIG_HZ", 0, 4, "int", signed=True), struct.pack("<i", 250)),
        (KconfigVar("CONFIG_BPF", 4, 1, "bool"), b"\1"),
        (KconfigVar("CONFIG_NET", 0, 4, "tristate"), struct.pack("<I", 2)),
        (KconfigVar("CONFIG_NET", 0, 1, "char"), b"m"),
        (KconfigVar("CONFIG_CC", 0, 4, "string"), b"gcc\0"),
        (KconfigVar("CONFIG_NONE", 0, 2, "int", weak=True), b"\0\0"),
        (KconfigVar("LINUX_HAS_NOTHING", 0, 4, "int", weak=True), bytes(4)),
    ],
    ids=["int", "bool", "tristate", "char", "string", "absent", "fact"],
)
def test_options(var, value, monkeypatch):
    assert kconfig(var, OPTIONS, monkeypatch) == value


@pytest.mark.parametrize(
    ("var", "error", "message"),
    [
        (KconfigVar("CONFIG_NONE", 0, 4, "int"), TargetError, "this kernel has no such option"),
        (
            KconfigVar("CONFIG_NET", 0, 1, "bool"),
            UsageError,
            "the option is 'm', which is no bool",
        ),
        (KconfigVar("CONFIG_CC", 0, 4, "int"), UsageError, "'gcc 12', which is no int"),
        (KconfigVar("OTHER", 0, 4, "int"), TargetError, "nothing gives it a value"),
    ],
    ids=["missing", "module", "text", "unknown"],
)
def test_options_that_do_not_fit(var, error, message, monkeypatch):
    with pytest.raises(error, match=f"variable '{var.name}': read: .*{message}"):
        kconfig(var, OPTIONS, monkeypatch)


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"/proc/sys/kernel/osrelease": "6.18.44-fc-v5"}, 6 << 16 | 18 << 8 | 44),
        ({"/proc/sys/kernel/osrelease": "5.10.300"}, 5 << 16 | 10 << 8 | 255),
        (
            {
                "/proc/sys/kernel/osrelease": "6.1.0-50-amd64",
                "/proc/sys/kernel/version": "#1 SMP Debian 6.1.192-1 (2026-01-01)",
            },
            6 << 16 | 1 << 8 | 192,
        ),
        (
            {
                "/proc/sys/kernel/osrelease": "5.15.0-91-generic",
                "/proc/version_signature": "Ubuntu 5.15.0-91.101-generic 5.15.131",
            },
            5 << 16 | 15 << 8 | 131,
        ),
    ],
    ids=["plain", "large patch level", "Debian", "Ubuntu"],
)
def test_the_version_that_programs_see(files, code, monkeypatch):
    monkeypatch.setattr("syscast.kernel.textfiles.read_text", files.get)
    var = KconfigVar("LINUX_KERNEL_VERSION", 0, 4, "int")
    assert config._fact(var) == struct.pack("<I", code)
