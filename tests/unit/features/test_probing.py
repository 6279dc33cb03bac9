from __future__ import annotations

import errno
import time
from typing import TYPE_CHECKING

import pytest

from syscast import features
from syscast.errors import (
    KernelError,
    NotSupportedError,
    PermissionDeniedError,
    UsageError,
    VerifierError,
)
from syscast.features import probing
from syscast.features.feature import INCONCLUSIVE, NO, YES, Feature, Result, attempt
from syscast.features.table import FEATURES
from syscast.kernel import host

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def own_cache(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(features.DISABLE, raising=False)
    features.forget()
    yield
    features.forget()


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace the table by three features that write down when they are asked."""
    asked: list[str] = []

    def answering(name: str, result: Result, *, volatile: bool = False) -> Feature:
        def probe() -> Result:
            asked.append(name)
            return result

        return Feature(name, f"what {name} does", f"less than {name}", probe, volatile)

    rows = (
        answering("good", Result(YES)),
        answering("bad", Result(NO, "the kernel said EINVAL", errno.EINVAL)),
        answering("open", Result(INCONCLUSIVE, "no rights", errno.EPERM)),
        answering("moving", Result(YES), volatile=True),
    )
    monkeypatch.setattr(probing, "_rows", {row.name: row for row in rows})
    return asked


def test_each_is_asked_once_a_process(counted: list[str]) -> None:
    for _ in range(3):
        assert features.probe("good")
        assert features.probe("bad") == Result(NO, "the kernel said EINVAL", errno.EINVAL)
        assert features.probe("open").outcome == INCONCLUSIVE
    assert counted == ["good", "bad", "open"]


def test_only_lasting_answers_outlive_the_process(counted: list[str]) -> None:
    features.all()
    features.forget()  # as a new process
    counted.clear()
    assert list(features.all()) == ["good", "bad", "open", "moving"]
    assert counted == ["open", "moving"]


def test_disabled_features_answer_no(counted: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYSCAST_DISABLE", "good, moving")
    assert features.probe("good") == Result(NO, "disabled by SYSCAST_DISABLE")
    assert not features.all()["moving"]
    assert "good" not in counted
    monkeypatch.setenv("SYSCAST_DISABLE", "godo")
    with pytest.raises(UsageError, match=r"feature 'godo': .*no such feature \(did you mean good"):
        features.probe("good")


def test_require_tells_why_and_what_happens_instead(counted: list[str]) -> None:
    assert counted == []
    features.require("good")
    features.require("open")
    with pytest.raises(NotSupportedError) as caught:
        features.require("bad")
    assert str(caught.value) == (
        "feature 'bad': what bad does: the kernel said EINVAL (without it: less than bad)"
    )
    assert caught.value.errno == errno.EINVAL
    with pytest.raises(UsageError, match="no such feature"):
        features.require("nothing")


def test_a_known_answer_costs_less_than_a_millisecond(counted: list[str]) -> None:
    features.probe("good")
    start = time.perf_counter()
    for _ in range(100):
        features.probe("good")
    assert (time.perf_counter() - start) / 100 < 0.001
    assert counted == ["good"]


def refused(error: Exception) -> Result:
    def action() -> None:
        raise error

    return attempt(action)


def test_refusals_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    assert attempt(lambda: None) == Result(YES)
    assert refused(KernelError("x", errno.EINVAL)).outcome == NO
    assert refused(NotSupportedError("x", 524)).outcome == NO
    assert refused(VerifierError("x", errno.EACCES)).outcome == NO
    assert refused(KernelError("x", errno.ENOMEM)).outcome == INCONCLUSIVE
    assert refused(FileNotFoundError("x")).outcome == INCONCLUSIVE
    denied = PermissionDeniedError("x", errno.EPERM, "BPF_PROG_LOAD")
    monkeypatch.setattr(host, "capabilities", lambda: frozenset({"CAP_BPF"}))
    assert refused(denied) == Result(INCONCLUSIVE, "x", errno.EPERM)
    monkeypatch.setattr(host, "capabilities", lambda: frozenset({"CAP_SYS_ADMIN"}))
    assert refused(denied).outcome == NO


def test_the_table_is_in_order() -> None:
    rows = features.rows()
    assert len(rows) == len(FEATURES), "two features have one name"
    for row in FEATURES:
        assert row.name.replace("_", "").isalnum()
        assert row.description
        assert row.fallback
        assert not row.description.endswith(".")
