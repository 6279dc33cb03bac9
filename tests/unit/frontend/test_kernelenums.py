"""Enums of the kernel by name, and by their enumerators where C gives them no name."""

from __future__ import annotations

from enum import IntEnum

import pytest

import syscast as sc
from syscast.btf import source
from syscast.btf.encode import BtfBuilder
from syscast.btf.lookup import Btf
from syscast.btf.types import Enum, EnumValue
from syscast.frontend.python.kernelenums import enum_id


@pytest.fixture
def types():
    b = BtfBuilder()
    b.add(Enum("pid_type", 4, (EnumValue("PIDTYPE_PID", 0), EnumValue("PIDTYPE_TGID", 1))))
    b.add(Enum("", 4, (EnumValue("TCP_LISTEN", 10),)))
    b.add(Enum("", 4, (EnumValue("BELOW", -1),), signed=True))
    return Btf.from_bytes(b.encode(), name="vmlinux")


@pytest.fixture
def running(types, monkeypatch):
    monkeypatch.setattr(source, "kernel", lambda: types)


@pytest.mark.usefixtures("running")
def test_enumerators_are_members_of_an_int_enum():
    member = sc.enum("pid_type").PIDTYPE_TGID
    assert isinstance(member, IntEnum)
    assert (member, member.name, f"{member}") == (1, "PIDTYPE_TGID", "1")
    assert sc.enum("enum pid_type").PIDTYPE_PID == 0


@pytest.mark.usefixtures("running")
def test_an_enum_without_a_name_goes_by_its_enumerators():
    assert sc.enum("tcp_state").TCP_LISTEN == 10
    assert sc.enum().BELOW == -1
    assert sc.enum().PIDTYPE_TGID == 1


def test_a_name_is_not_guessed_around(types):
    assert enum_id(types, "pid_type", "TCP_LISTEN") is None
    assert enum_id(types, "other", "PIDTYPE_PID") is None


def test_nothing_is_looked_up_before_it_is_used():
    assert repr(sc.enum("no_such_enum")) == "enum('no_such_enum')"


@pytest.mark.usefixtures("running")
def test_no_such_enumerator():
    with pytest.raises(
        AttributeError, match=r"enum\('pid_type'\): the running kernel has no enumerator 'X'"
    ):
        _ = sc.enum("pid_type").X
