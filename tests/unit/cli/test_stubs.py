"""`syscast stubs`: mypy and pyright in strict mode accept what is right and find what is wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from syscast.btf.encode import BtfBuilder
from syscast.btf.types import Func, FuncProto, Int, Member, Param, Struct
from syscast.cli.main import run
from syscast.cli.stubs import command

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent
DATA = ROOT / "tests" / "data" / "typing"
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
VMLINUX = Path("/sys/kernel/btf/vmlinux")

needs_btf = pytest.mark.skipif(not VMLINUX.exists(), reason="this kernel shows no BTF")


def environment(path):
    """A Python environment of its own, with syscast and what it needs; returns its interpreter and packages."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", path], check=True)
    (packages,) = path.glob("lib/python*/site-packages")
    (packages / "syscast.pth").write_text(f"{ROOT / 'src'}\n{sysconfig.get_path('purelib')}\n")
    return path / "bin" / "python", packages


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    python, _ = environment(tmp_path_factory.mktemp("plain") / "env")
    return python


@pytest.fixture(scope="module")
def stubs(tmp_path_factory):
    """The stubs of this kernel, where checkers find them without configuration."""
    python, packages = environment(tmp_path_factory.mktemp("stubs") / "env")
    began = time.process_time()
    result = CliRunner().invoke(command, ["-o", str(packages)], catch_exceptions=False)
    assert result.exit_code == 0
    assert time.process_time() - began < 3
    return python, packages / "syscast-stubs"


def mypy(python, where, *files):
    """Lines with errors, by file name."""
    argv = [BIN / "mypy", "--strict", "--python-executable", python, "--no-error-summary"]
    config = ["--config-file", os.devnull, "--cache-dir", python.parent / "mypy", "--no-pretty"]
    argv += [*config, "--scripts-are-modules", *files]
    done = subprocess.run(
        argv, cwd=where, capture_output=True, text=True, check=False, timeout=300
    )
    found = {}
    for line in done.stdout.splitlines():
        match = re.match(r"(.*?):(\d+): error: (.*)", line)
        if match:
            place = found.setdefault(Path(match[1]).name, {})
            place.setdefault(int(match[2]), []).append(match[3])
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    assert bool(found) == bool(done.returncode), done.stdout + done.stderr
    return found


def pyright(python, where, *files):
    """Lines with errors, by file name."""
    for file in files:
        shutil.copy(file, where)
    (where / "pyrightconfig.json").write_text(json.dumps({"typeCheckingMode": "strict"}))
    argv = [BIN / "pyright", "--pythonpath", python, "--outputjson", "-p", where]
    env = {**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    done = subprocess.run(
        argv, cwd=where, env=env, capture_output=True, text=True, check=False, timeout=300
    )
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] == len(files), done.stdout + done.stderr
    found = {}
    for each in report["generalDiagnostics"]:
        if each["severity"] != "information":
            place = found.setdefault(Path(each["file"]).name, {})
            place.setdefault(each["range"]["start"]["line"] + 1, []).append(each["message"])
    return found


def marked(file):
    return {
        number for number, line in enumerate(file.read_text().splitlines(), 1) if "# WRONG" in line
    }


@pytest.fixture(scope="module", params=[mypy, pyright], ids=["mypy", "pyright"])
def without(request, plain, tmp_path_factory):
    """What a checker that knows no stubs finds."""
    files = [*EXAMPLES, DATA / "accepted.py", ROOT / "tests" / "typing" / "declare_event.py"]
    return request.param(plain, tmp_path_factory.mktemp("without"), *files)


@pytest.fixture(scope="module", params=[mypy, pyright], ids=["mypy", "pyright"])
def found(request, stubs, tmp_path_factory):
    """What a checker finds with the stubs."""
    files = [*EXAMPLES, DATA / "accepted.py", DATA / "planted.py"]
    return request.param(stubs[0], tmp_path_factory.mktemp("with"), *files)


def test_without_stubs_everything_is_accepted(without):
    assert without == {}


@needs_btf
def test_with_stubs_the_examples_are_accepted(found):
    assert {name: lines for name, lines in found.items() if name != "planted.py"} == {}


@needs_btf
def test_with_stubs_planted_mistakes_are_found(found):
    wrong = marked(DATA / "planted.py")
    assert set(found["planted.py"]) == wrong, found
    assert len(wrong) >= 12


def test_a_directory_that_cannot_be_written_is_said_so(tmp_path, monkeypatch, capfd):
    monkeypatch.delenv("SYSCAST_TRACEBACK", raising=False)
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert run(["stubs", "-o", str(blocked), "--btf", str(small_btf(tmp_path))]) == 2
    assert capfd.readouterr().err == (
        f"syscast: stubs '{blocked}/syscast-stubs/py.typed': write: not a directory "
        "(choose a directory of yours with -o)\n"
    )


def test_a_file_that_is_no_btf_is_said_so(tmp_path, capfd):
    wrong = tmp_path / "wrong"
    wrong.write_bytes(b"not types" * 10)
    assert run(["stubs", "-o", str(tmp_path), "--btf", str(wrong)]) == 2
    assert "wrong magic" in capfd.readouterr().err
    assert not (tmp_path / "syscast-stubs").exists()


def test_another_kernels_btf_is_taken_from_a_file(tmp_path, capfd):
    assert run(["stubs", "-o", str(tmp_path), "--btf", str(small_btf(tmp_path))]) == 0
    written = tmp_path / "syscast-stubs"
    assert (written / "py.typed").read_text() == "partial\n"
    assert "class task_struct(_Struct):" in (written / "kernel" / "__init__.pyi").read_text()
    assert "do_exit: _F[[int], None]  # code" in (written / "kernel/functions.pyi").read_text()
    assert sorted(path.name for path in written.rglob("*.*")) == [
        "__init__.pyi",
        "functions.pyi",
        "py.typed",
        "running.pyi",
    ]
    assert "wrote" in capfd.readouterr().err


def small_btf(where):
    builder = BtfBuilder()
    number = builder.add(Int("int", 4, 1, 32))
    builder.add(Struct("task_struct", 8, (Member("pid", number, 0),)))
    builder.add(Func("do_exit", builder.add(FuncProto(0, (Param("code", number),)))))
    path = where / "small.btf"
    path.write_bytes(builder.encode())
    return path
