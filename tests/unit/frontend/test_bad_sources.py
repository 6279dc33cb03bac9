"""Sources at the edge: notebooks, prompts, huge and deep programs, names of all alphabets."""

from __future__ import annotations

import importlib.util
import linecache
import subprocess
import sys
import time
from pathlib import Path

import pytest

from syscast.diagnostics import CompileError
from syscast.frontend.python import source as sources
from syscast.frontend.python.lower import lower_probe
from syscast.frontend.python.source import read_function
from syscast.frontend.python.unit import Unit
from syscast.probes.fentry import FENTRY

HERE = Path(__file__).parent


def load(name):
    spec = importlib.util.spec_from_file_location(f"syscast_test_{name}", HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def btf():
    return load("small_kernel").small_kernel()


HEAD = "import syscast as sc\n\nclass Small(sc.Event):\n    value: sc.u64\n\n"


def made(tmp_path, text, name="probe", file="probes.py"):
    path = tmp_path / file
    path.write_text(HEAD + text)
    namespace = {"__name__": "probes"}
    exec(compile(HEAD + text, str(path), "exec"), namespace)
    return namespace[name]


def lowered(btf, function):
    unit = Unit()
    target = FENTRY.resolve("inet_listen", btf)
    contexts = FENTRY.contexts(target, role="probe")
    lower_probe(unit, btf, read_function(function), contexts, "inet_listen")
    return unit.program("inet_listen", "x86_64")


def refused(btf, function):
    with pytest.raises(CompileError) as caught:
        lowered(btf, function)
    return caught.value.diagnostics


# ---------------------------------------------------------------- where the text is


def test_a_cell_of_a_notebook(btf):
    """IPython keeps the text of cells in linecache, under a name that is no file."""
    text = (
        HEAD
        + "def helper(x):\n    return x.typ\n\ndef probe(sock, backlog):\n    return Small(value=helper(sock))\n"
    )
    name = "<ipython-input-7-0123456789ab>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    namespace = {"__name__": "__main__"}
    exec(compile(text, name, "exec"), namespace)
    (finding,) = refused(btf, namespace["probe"])
    assert (finding.span.file, finding.span.line) == (name, 7)
    assert finding.source.strip() == "return x.typ"
    assert finding.notes == (f"called from {name}:10:24",)


def test_a_function_of_another_cell_that_was_run_again(btf):
    """The old function's text is still there, under the old cell's name."""
    namespace = {"__name__": "__main__"}
    for number, body in enumerate(("return x", "return x + 1")):
        text = f"def helper(x):\n    {body}\n"
        name = f"<ipython-input-{number}-aa>"
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        exec(compile(text, name, "exec"), namespace)
    text = HEAD + "def probe(sock, backlog):\n    return Small(value=helper(backlog))\n"
    linecache.cache["<cell>"] = (len(text), None, text.splitlines(keepends=True), "<cell>")
    exec(compile(text, "<cell>", "exec"), namespace)
    program = lowered(btf, namespace["probe"])
    assert "<ipython-input-1-aa>" in program.sources


def test_a_bare_prompt_says_what_to_do():
    done = subprocess.run(
        [sys.executable, "-i", "-q"],
        input="from syscast.frontend.python.source import read_function\n"
        "def probe(a): return None\n\nread_function(probe)\n",
        capture_output=True,
        text=True,
        check=False,
    )
    if sys.version_info < (3, 13):  # since then, the prompt keeps what was typed
        assert "source text cannot be read" in done.stderr
        assert "define it in a file or a notebook cell" in done.stderr


def test_a_helper_without_source_is_named_where_it_is_called(btf, tmp_path):
    probe = made(tmp_path, "def probe(sock, backlog):\n    return Small(value=helper(backlog))\n")
    exec("def helper(x): return x", probe.__globals__)
    (finding,) = refused(btf, probe)
    assert "function 'helper': its source text cannot be read" in finding.message
    assert finding.notes == (f"called from {tmp_path}/probes.py:7:24",)


def test_a_mistake_elsewhere_in_a_changed_file_does_not_matter(btf, tmp_path):
    probe = made(tmp_path, "def probe(sock, backlog):\n    return Small(value=backlog)\n")
    path = tmp_path / "probes.py"
    path.write_text(path.read_text() + "\ndef broken(:\n")
    linecache.checkcache()
    assert lowered(btf, probe).functions


def test_decorators_in_any_form(btf, tmp_path):
    text = (
        "def same(f):\n    return f\n\n"
        "def with_arguments(*a, **k):\n    return same\n\n"
        "class Holder:\n    same = staticmethod(same)\n\n"
        "@same\n@with_arguments(1,\n    x=2)\n@Holder.same\n@(lambda f: f)\n@[same][0]\n"
        "def probe(sock, backlog):\n    return Small(value=backlog)\n"
    )
    assert lowered(btf, made(tmp_path, text)).functions


# ---------------------------------------------------------------- lambdas


LAMBDAS = {
    "one": ("f = lambda x: x + 1\n", "f", "x + 1"),
    "second": ("f, g = lambda x: x + 1, lambda x: x + 2\n", "g", "x + 2"),
    "inner": ("f = (lambda: (lambda x: x * 2))()\n", "f", "x * 2"),
    "outer": ("f = lambda x, g=lambda y: y * 3: g(x)\n", "f", "g(x)"),
    "constants": ("f, g = lambda: 1, lambda: 2\n", "g", "2"),
    "over lines": ("f = [\n    lambda x: (\n        x\n        + 5),\n][0]\n", "f", "x + 5"),
    "same text": ("f, g = lambda x: x, lambda x: x\n", "g", "x"),
}


@pytest.mark.parametrize("name", LAMBDAS)
def test_the_right_lambda_is_found(tmp_path, name):
    text, label, body = LAMBDAS[name]
    node = read_function(made(tmp_path, text, label), "function").node
    assert sources.ast.unparse(node.body[0]) == f"return {body}"


# ---------------------------------------------------------------- large and deep


def test_ten_thousand_lines_are_refused_in_seconds(btf, tmp_path):
    lines = "".join(f"    x = (x * 3 + {n}) & 65535\n" for n in range(10_000))
    probe = made(
        tmp_path,
        f"def probe(sock, backlog):\n    x = backlog & 255\n{lines}    return Small(value=x)\n",
    )
    started = time.monotonic()
    (finding,) = refused(btf, probe)
    assert "grows too large" in finding.message
    assert finding.span.line > 1000
    assert time.monotonic() - started < 30


def test_a_long_chain_of_elif_is_no_deep_nesting(btf, tmp_path):
    arms = "".join(
        f"    {'el' if n else ''}if x == {n}:\n        x = {n * 3}\n" for n in range(600)
    )
    text = f"def probe(sock, backlog):\n    x = backlog & 255\n{arms}    return Small(value=x)\n"
    assert lowered(btf, made(tmp_path, text)).functions


DEEP = {
    "signs": "-" * 1000 + "backlog",
    "sum": " + ".join(["backlog"] * 1000),
    "attributes": "sock" + ".sk" * 1000,
    "subscripts": "sock" + "[0]" * 1000,
    "calls": "abs(" * 150 + "backlog" + ")" * 150,
    "parentheses": "(" * 150 + "backlog" + " + 1)" * 150,
    "choices": "1 if backlog else " * 1000 + "2",
    "boolean operators": "not " * 1000 + "backlog",
    "alternating": "(backlog and (backlog or " * 90 + "1" + "))" * 90,
}


@pytest.mark.parametrize("name", DEEP)
def test_deep_expressions_are_refused(btf, tmp_path, name):
    probe = made(tmp_path, f"def probe(sock, backlog):\n    return Small(value={DEEP[name]})\n")
    (finding,) = refused(btf, probe)
    assert "nested more than 100 levels deep" in finding.message
    assert finding.span.line == 7


def test_deep_statements_are_refused(btf, tmp_path):
    text = "def probe(sock, backlog):\n"
    for depth in range(1, 98):
        text += " " * depth + "if backlog:\n"
    text += " " * 98 + "return Small(value=-(-(-(-(-backlog)))))\n"
    assert "nested more than 100 levels deep" in refused(btf, made(tmp_path, text))[0].message


def test_calls_inside_calls_end_somewhere(btf, tmp_path):
    text = "def f0(x):\n    return x + 1\n"
    for n in range(1, 60):
        text += f"def f{n}(x):\n    return f{n - 1}(x) + 1\n"
    text += "def probe(sock, backlog):\n    return Small(value=f59(backlog))\n"
    (finding,) = refused(btf, made(tmp_path, text))
    assert "calls are nested 32 deep" in finding.message
    assert len(finding.notes) == 6


def test_calls_that_multiply_end_somewhere(btf, tmp_path):
    text = "def f0(x):\n    return x\n"
    for n in range(1, 31):
        text += f"def f{n}(x):\n    return f{n - 1}(f{n - 1}(x))\n"
    text += "def probe(sock, backlog):\n    return Small(value=f30(backlog))\n"
    started = time.monotonic()
    assert "grows too large" in refused(btf, made(tmp_path, text))[0].message
    assert time.monotonic() - started < 30


# ---------------------------------------------------------------- names


def test_names_of_other_alphabets(btf, tmp_path):
    text = (
        "class Größe(sc.Event):\n    länge: sc.u64\n\n"
        "def вдвое(число):\n    return число * 2\n\n"
        "def 探针(sock, backlog):\n    größe = backlog + 1\n    größe += вдвое(größe)\n"
        "    return Größe(länge=größe)\n"
    )
    program = lowered(btf, made(tmp_path, text, "探针"))
    (function,) = program.functions
    assert function.name.isascii()
    assert [field.name for field in program.schemas[0].fields] == ["länge"]
