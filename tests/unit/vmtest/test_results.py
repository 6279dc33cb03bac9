"""Event lines, skip rules and the closing line."""

import json
import re
from collections import Counter

import pytest

from vmtest.results import (
    Outcome,
    Progress,
    closing_line,
    forbid_skips,
    parse_skip_rules,
    total,
)


def line(**event):
    return json.dumps(event).encode() + b"\n"


def result(test, outcome, reason=""):
    return line(event="result", test=test, outcome=outcome, seconds=0.5, reason=reason, text="")


def test_progress_knows_what_runs_and_what_is_left():
    progress = Progress()
    progress.feed(line(event="plan", tests=["a", "b", "c"]) + line(event="start", test="a"))
    assert progress.running == "a"
    whole = result("a", "passed") + line(event="start", test="b")
    progress.feed(whole[:20])  # a port gives bytes, not lines
    progress.feed(whole[20:])
    assert (progress.running, progress.left()) == ("b", ["b", "c"])
    assert progress.counts() == {"passed": 1}


def test_a_second_attempt_adds_up_and_drops_half_a_line():
    progress = Progress()
    progress.feed(line(event="plan", tests=["a", "b"]) + result("a", "passed") + b'{"event": "st')
    progress.begin()
    progress.feed(
        line(event="plan", tests=["b"]) + result("b", "failed") + line(event="done", code=1)
    )
    assert progress.counts() == {"passed": 1, "failed": 1}
    assert [outcome.test for outcome in progress.bad()] == ["b"]
    assert progress.code == 1


RULES = """
[[allow]]
kernels = ["5.10", "6.1"]
reason = "the kernel has no kprobe_multi.*"
why = "FPROBE is off in Debian's kernels before 6.12"

[[allow]]
kernels = ["*"]
reason = "needs .* processors"
why = "a VM has two"
"""


@pytest.mark.parametrize(
    ("kernel", "reason", "accepted"),
    [
        ("5.10", "the kernel has no kprobe_multi links", True),
        ("6.12", "the kernel has no kprobe_multi links", False),
        ("6.12", "needs 8 processors", True),
        ("5.10", "not today", False),
        ("5.10", "well, the kernel has no kprobe_multi", False),
    ],
)
def test_a_skip_that_no_rule_accepts_is_a_failure(kernel, reason, accepted):
    progress = Progress()
    progress.record(Outcome("t", "skipped", reason=reason))
    forbid_skips(progress, parse_skip_rules(RULES), kernel)
    assert progress.outcomes["t"].outcome == ("skipped" if accepted else "failed")
    assert accepted or reason in progress.outcomes["t"].text


def test_closing_line_sums_runs_in_the_form_of_pytest():
    counts = total([Counter(passed=3, skipped=1), Counter(passed=2, failed=1), Counter(error=2)])
    text = closing_line(counts, 75.5)
    assert text.strip("=") == " 1 failed, 5 passed, 1 skipped, 2 errors in 75.50s (0:01:15) "
    assert re.fullmatch(r"=+ .* in [\d.]+s( \([\d:]+\))? =+", text)


def test_closing_line_of_nothing():
    assert closing_line(Counter(), 0.5).strip("=") == " no tests ran in 0.50s "


def test_closing_line_of_one_error():
    assert closing_line(Counter(error=1), 0.5).strip("=") == " 1 error in 0.50s "
