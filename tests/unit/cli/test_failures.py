import errno
import os
import tempfile

import click
import pytest

from syscast.cli.failures import report
from syscast.cli.options import Options
from syscast.diagnostics import CompileError, Diagnostic, Span
from syscast.errors import (
    FormatError,
    InternalError,
    KernelError,
    NotSupportedError,
    PermissionDeniedError,
    TargetError,
    UsageError,
    VerifierError,
)
from syscast.sinks.sink import SinkClosed, SinkError


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (TargetError("function 'f': find: none", ["g"]), 2, "did you mean g?"),
        (UsageError("filter 'pid': set: no"), 2, "filter 'pid'"),
        (FormatError("object 'x': read: no ELF"), 2, "no ELF"),
        (
            CompileError([Diagnostic("no such name: 'x'", Span("<--if>", 1, 1), "x > 1")]),
            2,
            "<--if>:1:1: error: no such name: 'x'\n    1 | x > 1\n      | ^",
        ),
        (KernelError("map 'm': create: no memory"), 1, "no memory"),
        (NotSupportedError("feature 'x': no"), 1, "feature 'x'"),
        (VerifierError("program 'p': load: refused"), 1, "refused"),
        (SinkError("sink 'jsonl': write: no space"), 1, "no space"),
        (InternalError("broken", "the IR"), 70, "bug in syscast: broken\nPlease report it"),
        (
            OSError(errno.EMFILE, "Too many open files", "/sys/x"),
            1,
            "start: too many open files (allow more: ulimit -n)",
        ),
        (OSError(errno.EIO, "I/O error"), 70, "bug in syscast: OSError: [Errno 5] I/O error"),
        (ZeroDivisionError("by zero"), 70, "bug in syscast: ZeroDivisionError: by zero"),
        (click.UsageError("No such option: --x."), 2, "syscast: no such option: --x\n"),
        (click.ClickException("Bad."), 1, "bad"),
    ],
)
def test_each_failure_has_its_exit_code_and_words(
    capsys, error, code, words, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert report(error) == code
    said = capsys.readouterr().err
    assert said.startswith("syscast: ")
    assert words in said
    assert "Traceback" not in said


def test_the_whole_log_of_a_verifier_is_there_on_request(capsys):
    error = VerifierError("program 'p': load: refused", log="0: (95) exit\nR0 !read_ok\n")
    assert report(error) == 1
    assert capsys.readouterr().err == (
        "syscast: program 'p': load: refused\nsyscast: -v shows the verifier's whole log\n"
    )
    report(error, verbose=True)
    assert "the verifier's log:\n0: (95) exit\nR0 !read_ok\n" in capsys.readouterr().err


def test_a_bug_leaves_a_report(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(InternalError) as caught:
        raise InternalError("pass 'emits' failed: KeyError: 'x'", "program listen\n%0 = ctx_addr")
    assert report(caught.value) == 70
    said = capsys.readouterr().err
    (path,) = tmp_path.iterdir()
    assert said == (
        "syscast: bug in syscast: pass 'emits' failed: KeyError: 'x'\n"
        f"Please report it, with {path}: versions, the probe's IR and the traceback are in it.\n"
    )
    text = path.read_text()
    assert text.startswith("pass 'emits' failed: KeyError: 'x'\n\nsyscast   ")
    for words in (
        "python    3.",
        "llvmlite  0.",
        "kernel    Linux",
        "%0 = ctx_addr",
        "Traceback",
    ):
        assert words in text
    assert path.stat().st_mode & 0o077 == 0


def test_a_bug_where_nothing_can_be_written(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    assert report(InternalError("broken")) == 70
    assert "SYSCAST_TRACEBACK=1" in capsys.readouterr().err


def test_a_closed_pipe_is_a_quiet_end(capsys):
    assert report(SinkClosed("gone")) == 0
    assert capsys.readouterr().err == ""


def test_missing_rights_lead_to_sudo(capsys, monkeypatch):
    error = PermissionDeniedError("program 'p': load: not permitted (CAP_BPF is missing)", 1)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert report(error) == 1
    said = capsys.readouterr().err
    assert "CAP_BPF is missing" in said
    assert "sudo syscast" in said
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    report(error)
    assert "sudo" not in capsys.readouterr().err


def test_the_traceback_is_there_on_request(capsys, monkeypatch):
    monkeypatch.setenv("SYSCAST_TRACEBACK", "1")
    with pytest.raises(UsageError) as caught:
        Options(comm="").filters()
    assert report(caught.value) == 2
    assert "Traceback (most recent call last)" in capsys.readouterr().err
