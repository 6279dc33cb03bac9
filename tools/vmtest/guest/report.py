"""A pytest plugin that tells the harness about each test as it happens: one JSON line per event.

It writes to the file that SYSCAST_TEST_EVENTS names: inside a VM a virtio port, so that what was done is known on the host even when the
kernel dies in the next test; on the host a plain file. SYSCAST_TESTS_DONE names a JSON list of node ids that an earlier
attempt finished: they are left out.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

_port = os.open(os.environ["SYSCAST_TEST_EVENTS"], os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
_began: dict[str, float] = {}
_outcome: dict[str, dict[str, object]] = {}


def _tell(**event: object) -> None:
    data = memoryview(json.dumps(event).encode() + b"\n")
    while data:
        data = data[os.write(_port, data) :]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is done already."""
    listing = os.environ.get("SYSCAST_TESTS_DONE")
    if not listing or not Path(listing).exists():
        return
    done = set(json.loads(Path(listing).read_text()))
    left_out = [item for item in items if item.nodeid in done]
    items[:] = [item for item in items if item.nodeid not in done]
    config.hook.pytest_deselected(items=left_out)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Tell the plan."""
    _tell(event="plan", tests=[item.nodeid for item in session.items])


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """A file that cannot be imported, or that skips itself as a whole, counts as one test."""
    if report.passed:
        return
    skipped = report.skipped
    _tell(
        event="result",
        test=report.nodeid,
        outcome="skipped" if skipped else "error",
        seconds=0.0,
        reason=_skip_reason(report) if skipped else "",
        text="" if skipped else report.longreprtext,
    )


def pytest_runtest_logstart(nodeid: str) -> None:
    """Tell what is about to run."""
    _began[nodeid] = time.monotonic()
    _tell(event="start", test=nodeid)


def _skip_reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    longrepr = report.longrepr
    text = str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)
    return text.removeprefix("Skipped: ")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Collect the phases of a test: the first that is not plain success decides."""
    known = _outcome.get(report.nodeid, {})
    if known.get("outcome", "passed") != "passed":
        return
    expected = getattr(report, "wasxfail", None)
    if report.failed:
        outcome, reason, text = (
            "failed" if report.when == "call" else "error",
            "",
            report.longreprtext,
        )
    elif report.skipped and expected is not None:
        outcome, reason, text = "xfailed", str(expected), ""
    elif report.skipped:
        outcome, reason, text = "skipped", _skip_reason(report), ""
    else:
        outcome, reason, text = "passed", "", ""
    _outcome[report.nodeid] = {"outcome": outcome, "reason": reason, "text": text}


def pytest_runtest_logfinish(nodeid: str) -> None:
    """Tell a test's result."""
    result = _outcome.pop(nodeid, {"outcome": "error", "reason": "", "text": "no report"})
    _tell(
        event="result",
        test=nodeid,
        seconds=round(time.monotonic() - _began.pop(nodeid, time.monotonic()), 3),
        **result,
    )


def pytest_sessionfinish(exitstatus: int) -> None:
    """Tell the end."""
    _tell(event="done", code=int(exitstatus))


def pytest_warning_recorded(warning_message: object, nodeid: str) -> None:
    """Tell warnings, which the closing line counts."""
    _tell(event="warning", test=nodeid, text=str(warning_message))
