from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.kernel import host, rights

if TYPE_CHECKING:
    import pytest


def test_missing_capabilities_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "capabilities", lambda: frozenset({"CAP_BPF"}))
    assert rights.missing_for("BPF_PROG_LOAD") == ("CAP_PERFMON",)
    assert rights.cure_for("BPF_PROG_LOAD") == (
        "CAP_PERFMON is missing: run as root or with these capabilities"
    )
    assert rights.cure_for("BPF_MAP_GET_NEXT_ID").startswith("CAP_SYS_ADMIN is missing")


def test_with_all_capabilities_lockdown_is_to_blame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "capabilities", lambda: frozenset({"CAP_SYS_ADMIN"}))
    monkeypatch.setattr(host, "lockdown", lambda: "confidentiality")
    monkeypatch.setattr(host, "memlock_limit", lambda: (-1, -1))
    assert rights.cure_for("BPF_PROG_LOAD").startswith("the kernel is locked down")
    monkeypatch.setattr(host, "lockdown", lambda: "none")
    monkeypatch.setattr(host, "in_first_user_namespace", lambda: False)
    assert "user namespace" in rights.cure_for("BPF_PROG_LOAD")
    monkeypatch.setattr(host, "in_first_user_namespace", lambda: True)
    assert "security module or seccomp" in rights.cure_for("BPF_PROG_LOAD")
    assert rights.cure_for("BPF_MAP_UPDATE_ELEM") == ""
    monkeypatch.setattr(host, "memlock_limit", lambda: (65536, 65536))
    assert "RLIMIT_MEMLOCK may be too low" in rights.cure_for("BPF_PROG_LOAD")
