"""Options about too many events: what is malformed is one line and code 2, before anything is loaded."""

from pathlib import Path

import pytest

from syscast.cli.main import run
from syscast.session import attach

TRACE = ("trace", "raw_tracepoint:sys_enter", "id", "--pid", "1")

pytestmark = pytest.mark.skipif(
    not Path("/sys/kernel/btf/vmlinux").exists(), reason="this kernel has no BTF"
)


@pytest.fixture(autouse=True)
def nothing_is_loaded(monkeypatch):
    def refuse(*args):
        raise AssertionError(args)

    monkeypatch.setattr(attach, "_open", refuse)


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (("--limit", "5/d"), "limit '5/d': set: 'd' is no unit of time"),
        (("--limit", "fast"), "limit 'fast': set: it is no rate"),
        (("--pressure", "aggregate pid"), "pressure 'aggregate pid': set: only 'aggregate' has"),
        (("--budget", "1"), "budget '1': set: it is no share of a CPU's time (write '1%')"),
        (("--budget", "200%"), "budget '200%': set: it is out of range"),
        (("--pressure", "sampel"), "pressure 'sampel': set: there is none of this name"),
    ],
    ids=str,
)
def test_what_is_malformed_is_one_line_and_code_two(capsys, words, cause):
    assert run([*TRACE, *words]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"syscast: {cause}")
