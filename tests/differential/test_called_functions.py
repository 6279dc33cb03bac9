"""Functions called from probes: the kernel's answer is Python's, and a raise has the callee's line."""

from __future__ import annotations

import traceback

import pytest
import written_calls
from probe_runner import Runner

from syscast.events.event import Event

pytestmark = pytest.mark.kernel

NUMBERS = (0, 3, 7, 11, 25, 80, 443, 1024, -1, -4, (1 << 63) - 1, -(1 << 63))
HUGE = {(1 << 63) - 1, -(1 << 63)}
WIDE = (0, 5, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)


@pytest.fixture(scope="module")
def runner():
    made = Runner({function.__name__: function for function in written_calls.PROBES})
    yield made
    made.close()


def in_python(monkeypatch, function, *args):
    """What the function sends, or what it raises and where; OverflowError where a field is too small."""
    sent = []
    monkeypatch.setattr("syscast.emit", sent.append)
    try:
        answer = function(*args)
    except (ZeroDivisionError, OverflowError) as error:
        place = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in place if "syscast/events" not in frame.filename]
        return type(error).__name__, own[-1].filename, own[-1].lineno
    return sent + ([answer] if isinstance(answer, Event) else [])


@pytest.mark.parametrize("function", written_calls.PROBES, ids=lambda f: f.__name__)
def test_the_kernel_gives_pythons_answer(runner, monkeypatch, function):
    for a in NUMBERS:
        for c in NUMBERS:
            for b in WIDE if function is written_calls.kinds else WIDE[:1]:
                want = in_python(monkeypatch, function, a, b, c)
                got = runner.run(function.__name__, a, b, c)
                if isinstance(got, tuple) and got[0] == "OverflowError" and HUGE & {a, c}:
                    continue  # Python's numbers go beyond 64 bits on the way, a probe's do not
                assert got == want, (a, b, c)
