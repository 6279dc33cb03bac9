"""What a test run came to: outcomes of tests from the event lines, skip rules, the closing line. Pure."""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# In pytest's order and words. What the harness adds ("hung", "forbidden skip") is counted as failed.
WORDS = ("failed", "passed", "skipped", "deselected", "xfailed", "xpassed", "warnings", "error")
BAD = frozenset({"failed", "error"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one test.

    Attributes:
        test: pytest's node id.
        outcome: passed, failed, error, skipped or xfailed.
        seconds: wall time.
        reason: of a skip or an expected failure.
        text: of a failure.
    """

    test: str
    outcome: str
    seconds: float = 0.0
    reason: str = ""
    text: str = ""


@dataclass(slots=True)
class Progress:
    """Follows one pytest run by its event lines; several attempts add up.

    Attributes:
        outcomes: finished tests by node id.
        running: the test that has begun and not ended, or an empty string.
        plan: all tests that were collected, in order.
        code: pytest's exit status of the last attempt, None while it runs or when it was ended.
        notes: what the harness has to tell: retries, hangs.
    """

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    running: str = ""
    plan: dict[str, None] = field(default_factory=dict)
    code: int | None = None
    notes: list[str] = field(default_factory=list)
    warnings: int = 0
    _rest: bytes = b""

    def begin(self) -> None:
        """Forget what belongs to an attempt that ended."""
        self.running = ""
        self.code = None
        self._rest = b""

    def feed(self, data: bytes) -> bool:
        """Take the next bytes of event lines; tells whether any event was complete."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line.strip():
                self._event(json.loads(line))
        return bool(lines)

    def _event(self, event: dict[str, object]) -> None:
        test = str(event.get("test", ""))
        match event["event"]:
            case "plan" if isinstance(event["tests"], list):
                self.plan.update(dict.fromkeys(str(item) for item in event["tests"]))
            case "start":
                self.running = test
            case "result":
                seconds = event["seconds"]
                self.record(
                    Outcome(
                        test,
                        str(event["outcome"]),
                        seconds if isinstance(seconds, float) else 0.0,
                        str(event["reason"]),
                        str(event["text"]),
                    )
                )
            case "warning":
                self.warnings += 1
            case "done" if isinstance(event["code"], int):
                self.code = event["code"]
            case _:
                pass

    def record(self, outcome: Outcome) -> None:
        """Store a finished test."""
        self.outcomes[outcome.test] = outcome
        if self.running == outcome.test:
            self.running = ""

    def left(self) -> list[str]:
        """Planned tests without a result."""
        return [test for test in self.plan if test not in self.outcomes]

    def bad(self) -> list[Outcome]:
        """Failures and errors, in order."""
        return [outcome for outcome in self.outcomes.values() if outcome.outcome in BAD]

    def counts(self) -> Counter[str]:
        """How many tests ended how, in pytest's words."""
        counted = Counter(outcome.outcome for outcome in self.outcomes.values())
        if self.warnings:
            counted["warnings"] = self.warnings
        return counted


@dataclass(frozen=True, slots=True)
class SkipRule:
    """One reason to skip that is accepted.

    Attributes:
        kernels: names of kernels as given on the command line, `native` for this machine, `*` for all.
        reason: regular expression for the whole reason.
    """

    kernels: tuple[str, ...]
    reason: re.Pattern[str]


def parse_skip_rules(text: str) -> list[SkipRule]:
    """Read tests/kernel/skips.toml: tables `[[allow]]` with `kernels`, `reason` and `why`."""
    return [
        SkipRule(tuple(entry["kernels"]), re.compile(entry["reason"]))
        for entry in tomllib.loads(text).get("allow", [])
        if entry["why"]
    ]


def forbid_skips(progress: Progress, rules: Sequence[SkipRule], kernel: str) -> None:
    """Turn each skip that no rule accepts for this kernel into a failure."""
    accepted = [rule for rule in rules if kernel in rule.kernels or "*" in rule.kernels]
    for outcome in list(progress.outcomes.values()):
        if outcome.outcome != "skipped" or any(
            rule.reason.fullmatch(outcome.reason) for rule in accepted
        ):
            continue
        progress.outcomes[outcome.test] = Outcome(
            outcome.test,
            "failed",
            outcome.seconds,
            outcome.reason,
            f"skipped: {outcome.reason}\nno rule in tests/kernel/skips.toml accepts this reason for kernel {kernel}",
        )


def total(counts: Iterable[Counter[str]]) -> Counter[str]:
    """Sum of several runs."""
    result: Counter[str] = Counter()
    for one in counts:
        result.update(one)
    return result


def closing_line(counts: Counter[str], seconds: float) -> str:
    """A closing line of pytest's form for a sum of runs."""
    parts = []
    for word in WORDS:
        number = counts[word]
        if number:
            plural = (
                {"error": "errors"}.get(word, word)
                if number != 1
                else {"warnings": "warning"}.get(word, word)
            )
            parts.append(f"{number} {plural}")
    text = ", ".join(parts) or "no tests ran"
    clock = (
        f" ({int(seconds) // 3600}:{int(seconds) // 60 % 60:02}:{int(seconds) % 60:02})"
        if seconds >= 60
        else ""
    )
    return f" {text} in {seconds:.2f}s{clock} ".center(100, "=")
