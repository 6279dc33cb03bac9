"""A target that does not exist is shown where the probe names it."""

from __future__ import annotations

from pathlib import Path

import pytest

import syscast as sc
from syscast.errors import TargetError
from syscast.session.placing import placed

INLINED = "function '{}': look up: it is inlined into all its callers: BTF knows it, but there is no code of its own"


@sc.function
def inner_function():
    return None


@sc.kprobe("outer_functoin")
def other():
    return None


def shown(error, probe):
    text = str(placed(error, probe.function, probe.job().target))
    return text.replace(__file__, "probe.py")


def line_of(text):
    lines = Path(__file__).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_an_inlined_function_is_shown_at_its_definition():
    error = TargetError(INLINED.format("inner_function"), ["outer_function"])
    number = line_of("def inner_function")
    assert shown(error, inner_function) == (
        f"probe.py:{number}:5: error: {INLINED.format('inner_function')}\n"
        f"{number:5d} | def inner_function():\n"
        "      |     ^~~~~~~~~~~~~~\n"
        "      = hint: did you mean outer_function?"
    )


def test_a_name_in_the_decorator_is_shown_there():
    number = line_of('@sc.kprobe("outer_functoin")')
    lines = shown(TargetError("no such function"), other).split("\n")
    assert lines[0] == f"probe.py:{number}:13: error: no such function"
    assert lines[2] == "      |             ^~~~~~~~~~~~~~"


def test_the_near_names_stay_with_the_error():
    error = placed(TargetError("no", ["outer_function"]), other.function, "kprobe:outer_functoin")
    assert error.near == ("outer_function",)


@pytest.mark.parametrize("body", [None, object()])
def test_without_a_function_the_error_is_as_it_was(body):
    error = TargetError("no such function")
    assert placed(error, body, "inner_function") is error


def test_a_target_that_stands_elsewhere_leaves_the_error_as_it_was():
    error = TargetError("no such function")
    assert placed(error, other.function, "named_at_run_time") is error


def test_attaching_shows_the_place():
    with pytest.raises(TargetError) as caught:
        other.attach()
    assert "outer_functoin" in str(caught.value).split("\n")[1]
