"""Every rejected program says where, what and what instead; the golden files are what users read."""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
from pathlib import Path

import pytest

from syscast.cli.expressions import parse
from syscast.diagnostics import CompileError
from syscast.frontend.python.lower import lower_expressions, lower_probe
from syscast.frontend.python.source import read_function
from syscast.frontend.python.unit import Unit
from syscast.probes.fentry import FENTRY

HERE = Path(__file__).parent
GOLDEN = HERE.parents[1] / "golden" / "diagnostics"


def load(name):
    spec = importlib.util.spec_from_file_location(f"syscast_test_{name}", HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


small_kernel = load("small_kernel").small_kernel
MODULES = [load(path.stem) for path in sorted(HERE.glob("bad_*.py"))]
PROBES = {
    name: value
    for module in MODULES
    for name, value in vars(module).items()
    if inspect.isfunction(value)
    and value.__module__ == module.__name__
    and not name.startswith("_")  # functions that probes call
}


@pytest.fixture(scope="module")
def btf():
    return small_kernel()


def rejected(btf, function, role="probe"):
    target = FENTRY.resolve("inet_listen", btf)
    with pytest.raises(CompileError) as caught:
        lower_probe(
            Unit(), btf, read_function(function), FENTRY.contexts(target, role=role), "inet_listen"
        )
    return caught.value


@pytest.mark.parametrize("name", PROBES)
def test_golden(btf, name):
    role = "call" if inspect.isgeneratorfunction(PROBES[name]) else "probe"
    text = str(rejected(btf, PROBES[name], role)).replace(str(HERE) + os.sep, "") + "\n"
    golden = GOLDEN / f"{name}.err"
    if os.environ.get("SYSCAST_UPDATE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()


def test_every_golden_file_has_its_program():
    assert {path.stem for path in GOLDEN.glob("*.err")} == set(PROBES)


def test_the_caret_stands_under_the_exact_expression(btf):
    for finding in rejected(btf, PROBES["unknown_field"]).diagnostics:
        span = finding.span
        assert finding.source[span.column - 1 : span.end_column - 1] == "sock.sk.skc_rcv_sadr"


def test_columns_count_characters_not_bytes(btf):
    def umlaut(sock, backlog):
        if "größe" and sock and backlog.wert:
            return

    (finding,) = rejected(btf, umlaut).diagnostics
    span = finding.span
    assert finding.source[span.column - 1 : span.end_column - 1] == "backlog.wert"


def test_a_function_without_source_is_refused():
    namespace: dict[str, object] = {}
    exec("def probe(sock, backlog): return None", namespace)
    with pytest.raises(CompileError, match="source text cannot be read"):
        read_function(namespace["probe"])


def test_there_are_many():
    assert len(PROBES) >= 80


def test_crlf_lines_are_shown_without_their_ends(btf, tmp_path):
    path = tmp_path / "crlf.py"
    path.write_bytes(
        b"import syscast as sc\r\n\r\n\r\ndef probe(sock, backlog):\r\n    return backlgo\r\n"
    )
    spec = importlib.util.spec_from_file_location("syscast_test_crlf", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = str(rejected(btf, module.probe))
    assert "\r" not in text
    assert text.splitlines()[0].endswith("crlf.py:5:12: error: no such name: 'backlgo'")
    assert text.splitlines()[1:3] == ["    5 |     return backlgo", "      |            ^~~~~~~"]


@pytest.mark.parametrize("name", PROBES)
def test_every_message_stands_in_its_form(btf, name):
    """Lower case, no full stop, a place in the file, a caret inside the line."""
    role = "call" if inspect.isgeneratorfunction(PROBES[name]) else "probe"
    for finding in rejected(btf, PROBES[name], role).diagnostics:
        assert not finding.message.endswith(".")
        assert (
            finding.message[:1].islower()
            or not finding.message.split()[0].istitle()
            or finding.message.startswith("None ")
        )
        assert finding.source.strip()
        assert finding.hint
        assert 1 <= finding.span.column <= len(finding.source)


def typed_in(btf, *texts, condition=None):
    """What is wrong with expressions of a command line."""
    body = parse(texts, condition)
    target = FENTRY.resolve("inet_listen", btf)
    contexts = FENTRY.contexts(target, role="probe")
    with pytest.raises(CompileError) as caught:
        lower_expressions(
            Unit(), btf, contexts, "inet_listen", fields=body.fields, condition=body.condition
        )
    return str(caught.value)


def test_an_expression_is_shown_with_its_place(btf):
    assert typed_in(btf, "sock.sk.skc_nmu as port") == (
        "<expression 1>:1:1: error: struct sock has no member 'skc_nmu'\n"
        "    1 | sock.sk.skc_nmu\n"
        "      | ^~~~~~~~~~~~~~~\n"
        "      = hint: did you mean skc_num, skc_net?"
    )


def test_all_expressions_and_the_condition_are_looked_at(btf):
    text = typed_in(btf, "backlog / 2", "sock.sk", "sokc.sk as b", condition="backlog > 'a'")
    heads = [line for line in text.splitlines() if ": error: " in line]
    assert heads == [
        "<--if>:1:11: error: an integer is needed here, this is the str 'a'",
        "<expression 1>:1:1: error: `/` makes a float, and the kernel has none",
        "<expression 3>:1:1: error: no such name: 'sokc'",
    ]


def test_a_name_that_is_no_argument_is_told_what_there_is(btf):
    assert "hint: the target has sock, backlog; and there is current" in typed_in(btf, "zzz + 1")
    assert "hint: did you mean backlog?" in typed_in(btf, "backlg")
