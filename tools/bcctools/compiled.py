"""Tools that a VM cannot show (`not_here`): their C is recorded for this kernel, without tracing, and compiled for it."""

from __future__ import annotations

import re
import shlex
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from bcctools.record import run
from bcctools.tour import Result, path_of, shell

if TYPE_CHECKING:
    from bcctools.rows import Row

_CALLS = re.compile(r'^\$lib/(\w+) (.*)"\$@"', re.MULTILINE)
"""Tools for one language are shell scripts that call the one for all languages."""


def script(tool: str) -> tuple[Path, list[str]]:
    """The Python script of a tool, and the arguments with which it makes its text."""
    path = Path(path_of(tool))
    if b"python" in path.read_bytes()[:40]:
        table = tomllib.loads(Path(__file__).with_name("options.toml").read_text())
        return path, [str(each) for each in table.get(tool, {}).get("base", [])]
    found = _CALLS.search(path.read_text())
    if found is None:
        raise ValueError(f"tool '{tool}': neither Python nor a call of another tool")
    beside = path.resolve().parent / "lib" / found[1]
    called = beside if beside.exists() else Path(path_of(found[1]))
    return called, [*shlex.split(found[2]), "1"]


def compile_only(row: Row) -> Result:
    """Record and compile a tool's C."""
    from syscast.bcc.surroundings import Host  # noqa: PLC0415 - the real bcc is run without syscast
    from syscast.compiler.cunit import compile_c  # noqa: PLC0415 - likewise
    from syscast.errors import SyscastError  # noqa: PLC0415 - likewise

    began = time.monotonic()
    shell(row.setup)
    path, args = script(row.tool)
    recorded = run(path, args, {"this_kernel": True})
    why = "" if recorded.texts else f"made no text: {recorded.said.strip()[-300:]}"
    for each in recorded.texts:
        try:
            compile_c(each["text"], surroundings=Host(), cflags=tuple(each["cflags"]))
        except SyscastError as error:
            why = str(error)
    took = time.monotonic() - began
    good = not why
    return Result(
        row.tool,
        good,
        loads=False,
        attaches=False,
        right=False,
        ready=took,
        memory=0,
        why=why,
        output="",
    )
