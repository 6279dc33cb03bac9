"""What to write instead of what is outside the language."""

from __future__ import annotations

import ast

_INSTEAD: dict[type[ast.AST], str] = {
    ast.ListComp: "write a `for` loop that counts, compares or emits",
    ast.SetComp: "write a `for` loop that counts, compares or emits",
    ast.DictComp: "write a `for` loop that counts, compares or emits",
    ast.GeneratorExp: "write a `for` loop that counts, compares or emits",
    ast.List: "write a tuple where values are compared or unpacked: x in (1, 2)",
    ast.Dict: "count and sum in a map that is declared outside the probe, such as sc.Counter",
    ast.Set: "write a tuple: x in (1, 2)",
    ast.Lambda: "write the expression in its place, or define a function outside the probe",
    ast.Await: "a probe never waits; the kernel runs on at once",
    ast.YieldFrom: "write `ret = yield` once, at the function's top level",
    ast.Starred: "name each value",
    ast.Try: "an exception ends this run of the probe and is counted; test before: if divisor != 0",
    ast.TryStar: "an exception ends this run of the probe and is counted; test before: if divisor != 0",
    ast.With: "a probe has nothing to open or close",
    ast.AsyncWith: "a probe has nothing to open or close",
    ast.AsyncFor: "a probe never waits; write `for`",
    ast.FunctionDef: "define it outside the probe, and call it",
    ast.AsyncFunctionDef: "define it outside the probe, with `def`, and call it",
    ast.ClassDef: "declare it outside the probe",
    ast.Global: "keep what outlives the probe in a map or an sc.Var, or send an event",
    ast.Nonlocal: "keep what outlives the probe in a map or an sc.Var, or send an event",
    ast.Import: "import outside the probe; constants and functions of the module are seen inside",
    ast.ImportFrom: "import outside the probe; constants and functions of the module are seen inside",
    ast.Raise: "return None to send no event, or `assert` to count a failure at this line",
}


def instead(node: ast.AST) -> str:
    """A hint for a form that the language does not have; "" where there is nothing alike."""
    return _INSTEAD.get(type(node), "")
