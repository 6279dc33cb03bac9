"""Retries, time-outs and deaths of VMs, with a machine that only plays its part."""

import contextlib
import json

import pytest

from vmtest import suite
from vmtest.console import Trouble, Watcher
from vmtest.kernels import Kernel
from vmtest.machine import Command, Invocation, MachineDied

TESTS = ["a", "b", "c"]


def event(**fields):
    return json.dumps(fields).encode() + b"\n"


class FakeMachine:
    """Runs the tests that are left; a script says what happens at a test."""

    def __init__(self, script):
        self.script = script
        self.on_event = None
        self.watcher = Watcher()
        self.done = []

    def run(self, what, **_):
        if not isinstance(what, Invocation) or what.stdin:
            self.done = json.loads(what.stdin) if isinstance(what, Invocation) else []
            return Command(1, code=0)
        return self._pytest()

    def _pytest(self):
        left = [test for test in TESTS if test not in self.done]
        self.on_event(event(event="plan", tests=left))
        for test in left:
            self.on_event(event(event="start", test=test))
            act = self.script.get(test, [])
            action = act.pop(0) if act else "passed"
            if action == "slow":
                return Command(1, code=-9, timed_out=True)
            if action in {"hang", "panic"}:
                raise MachineDied(action, f"{action} here\nconsole")
            if action == "warning":
                self.watcher.troubles.append(Trouble("warning", "WARNING: x"))
                action = "passed"
            self.on_event(
                event(
                    event="result", test=test, outcome=action, seconds=0.1, reason="", text="why"
                )
            )
        self.on_event(event(event="done", code=0))
        return Command(1, code=0)


@pytest.fixture
def run(monkeypatch, tmp_path):
    def run(script, boots=()):
        boots = list(boots)

        @contextlib.contextmanager
        def booted(*_, **__):
            if boots and boots.pop(0) == "dead":
                raise MachineDied("boot", "no agent")
            yield FakeMachine(script)

        monkeypatch.setattr(suite.session, "booted", booted)
        monkeypatch.setattr(suite.session, "keep_cache", lambda *_: None)
        monkeypatch.setattr(suite.precompile, "fill", lambda *_: None)
        kernel = Kernel("6.1", "6.1.0", tmp_path / "vmlinux", None, None)
        options = suite.session.Options(tmp_path / "image")
        return suite.KernelRun(
            kernel,
            options,
            [],
            limits=suite.Limits(),
            artifacts=tmp_path / "out",
            show=lambda _: None,
        ).run()

    return run


def outcomes(report):
    return {test: outcome.outcome for test, outcome in report.progress.outcomes.items()}


def test_all_pass_on_one_machine(run):
    report = run({})
    assert outcomes(report) == {"a": "passed", "b": "passed", "c": "passed"}
    assert report.machines == 1


def test_one_hang_is_tried_again_on_a_fresh_machine_and_told(run):
    report = run({"b": ["hang"]})
    assert outcomes(report) == {"a": "passed", "b": "passed", "c": "passed"}
    assert report.machines == 2
    assert "hang during b" in report.progress.notes[0]


def test_two_hangs_fail_the_test_and_the_rest_goes_on(run):
    report = run({"b": ["hang", "hang"]})
    assert outcomes(report) == {"a": "passed", "b": "failed", "c": "passed"}
    assert report.machines == 3


def test_a_panic_fails_at_once(run):
    report = run({"b": ["panic"]})
    assert outcomes(report) == {"a": "passed", "b": "failed", "c": "passed"}
    assert "panic here" in report.progress.outcomes["b"].text


def test_a_slow_test_fails_and_the_rest_goes_on_in_the_same_machine(run):
    report = run({"b": ["slow"]})
    assert outcomes(report) == {"a": "passed", "b": "failed", "c": "passed"}
    assert report.machines == 1


def test_a_kernel_that_never_boots_is_a_failure(run):
    report = run({}, boots=["dead"] * 9)
    assert report.machines == suite.MAX_MACHINES
    assert [outcome.outcome for outcome in report.progress.bad()] == ["failed"]


def test_a_warning_in_the_kernel_log_is_a_failure(run):
    report = run({"b": ["warning"]})
    assert [outcome.text for outcome in report.progress.bad()] == ["WARNING: x"]


def test_tests_that_never_ran_are_errors(run):
    report = run(
        {"a": ["panic"], "b": ["panic"] * 9, "c": ["hang"] * 9},
        boots=["ok", "dead", "dead", "dead", "dead"],
    )
    assert set(outcomes(report).values()) >= {"failed", "error"}
    assert "not run" in report.progress.outcomes["c"].text
