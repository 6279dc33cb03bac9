"""A bug of ours, planted: no traceback, one message, and a report with the IR in a file."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest
from msgspec.structs import replace

from syscast import passes
from syscast.btf import source
from syscast.cli.expressions import parse
from syscast.cli.main import run
from syscast.errors import InternalError
from syscast.ir import ops
from syscast.ir.types import Const, PtrType
from syscast.session.attach import open_session
from syscast.session.plan import Job

pytestmark = [pytest.mark.kernel, pytest.mark.native]
BUG = 70
PROBE = """
import syscast as sc

class E(sc.Event):
    n: sc.u32

@sc.raw_tracepoint
def sys_enter(*, id: int) -> E:
    return E(n=id & 0xffff)
"""


@pytest.fixture(scope="module", autouse=True)
def types_of_this_kernel():
    """Open for the life of the process; not a leak of the first test that needs it."""
    source.kernel()


@pytest.fixture
def probe(tmp_path, monkeypatch):
    """A file with a probe, nothing compiled before, and a place for reports."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    reports = tmp_path / "reports"
    reports.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(reports))
    path = tmp_path / "probe.py"
    path.write_text(PROBE)
    return path


def without_null_tests(program, _btf):
    """Every branch on a comparison with NULL is taken as if there were none."""

    def sure(block):
        nulls = {
            op.result.id
            for op in block.ops
            if isinstance(op, ops.Compare) and op.b == Const(0, op.a.type)
            if isinstance(op.a.type, PtrType)
        }
        last = block.ops[-1]
        if isinstance(last, ops.Branch) and getattr(last.cond, "id", -1) in nulls:
            last = ops.Jump(span=last.span, target=last.other)
        return replace(block, ops=(*block.ops[:-1], last))

    functions = [
        replace(each, blocks=tuple(sure(block) for block in each.blocks))
        for each in program.functions
    ]
    return replace(program, functions=tuple(functions))


def report_of(probe, capfd, *words):
    assert run(list(words)) == BUG
    out, err = capfd.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert len(err) < 2000
    found = re.search(r"Please report it, with (\S+): versions, the probe's IR and", err)
    assert found
    assert Path(found[1]).parent == probe.parent / "reports"
    return err, Path(found[1]).read_text()


def test_a_pass_that_fails(probe, capfd, monkeypatch):
    def fails(_program, _btf):
        raise KeyError("x")

    monkeypatch.setattr(passes, "PASSES", (*passes.PASSES, ("planted", fails)))
    err, text = report_of(probe, capfd, "run", str(probe))
    assert err.startswith("syscast: bug in syscast: program 'sys_enter': pass 'planted' failed")
    assert "  %0: i64 = argument" in text
    assert "kernel    Linux" in text


def test_a_front_end_that_fails(probe, capfd, monkeypatch):
    def fails(*_, **__):
        raise IndexError("planted")

    monkeypatch.setattr("syscast.compiler.driver.lower_probe", fails)
    err, text = report_of(probe, capfd, "run", str(probe))
    assert "probe 'sys_enter': lowering it failed: IndexError: planted" in err
    assert "the function 'sys_enter' in " in text


def test_a_program_that_llvm_refuses(probe, capfd, monkeypatch):
    monkeypatch.setattr("syscast.codegen.module_text", lambda *_: "this is no module")
    err, text = report_of(probe, capfd, "run", str(probe))
    assert "LLVM refused its input" in err
    assert "this is no module" in text
    assert "function sys_enter_0 probe" in text


def test_an_object_that_cannot_be_read(probe, capfd, monkeypatch):
    monkeypatch.setattr("syscast.codegen.strip", lambda _: b"\x7fELF and no more")
    err, text = report_of(probe, capfd, "run", str(probe))
    assert "the compiler made an object that cannot be read" in err
    assert "function sys_enter_0 probe" in text


def test_a_program_that_the_verifier_refuses(probe, capfd, monkeypatch):
    with_bug = (*passes.PASSES, ("planted", without_null_tests))
    monkeypatch.setattr(passes, "PASSES", with_bug)
    err, text = report_of(probe, capfd, "run", str(probe), "--", "true")
    assert "it uses a pointer that may be NULL" in err
    assert f"{probe}:" in err
    assert "function sys_enter_0 probe" in text
    assert "The verifier's log:" in text


def test_from_python_it_is_an_internal_error(probe, monkeypatch):
    del probe
    with_bug = (*passes.PASSES, ("planted", without_null_tests))
    monkeypatch.setattr(passes, "PASSES", with_bug)
    job = Job("raw_tracepoint:sys_enter", "probe", parse(["id"], None))
    with pytest.raises(InternalError, match="please report it") as caught:
        open_session([job])
    assert "The probe's IR:" in caught.value.details
