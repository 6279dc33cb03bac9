"""`python -m bcctools.corpus RECORDED.json`: compiles and loads every text that `record` wrote; attaches nothing.

Says for each text that fails whether it cannot work on this kernel (`corpus.toml`) or whether the front end is to blame.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from syscast.bcc.module import Module
from syscast.bcc.surroundings import Host
from syscast.compiler.cunit import compile_c
from syscast.diagnostics import CompileError
from syscast.errors import SyscastError
from syscast.loader.load import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syscast.spec.objectspec import ObjectSpec, ProgramSpec

_NEEDS_TARGET = frozenset({"tracing", "lsm"})
"""Their target may be inlined or missing in this kernel; the tour loads those that tools use here."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One text that did not come through.

    Attributes:
        stage: ``compile``, ``maps`` or ``load``.
        excuse: Why it cannot work on this kernel, "" where it should.
    """

    tool: str
    args: tuple[str, ...]
    stage: str
    message: str
    excuse: str


def _excuse(message: str, facts: int) -> str:
    rules: list[dict[str, str]] = tomllib.loads(
        Path(__file__).with_name("corpus.toml").read_text()
    )["excuse"]
    for rule in rules:
        if re.search(rule["message"], message):
            return rule["why"]
    return "the tool wrote it for a kernel of another time" if facts else ""


def _loaded(spec: ObjectSpec, module: Module) -> Iterator[str]:
    for program in spec.programs:
        if program.type in _NEEDS_TARGET:
            continue
        try:
            _load(spec, _typed(program), module)
        except SyscastError as error:
            yield str(error)


def _typed(program: ProgramSpec) -> ProgramSpec:
    return program if program.type not in {"", "unspec"} else replace(program, type="kprobe")


def _load(spec: ObjectSpec, program: ProgramSpec, module: Module) -> None:
    alone = replace(spec, programs=(program,))
    load(alone, overrides={program.name: program}, shared=module.maps).close()


def attempt(text: str, cflags: list[str]) -> tuple[str, str]:
    """Compile and load one text.

    Returns:
        The stage that failed and why, or two empty strings.
    """
    try:
        spec = compile_c(text, surroundings=_HOST, cflags=cflags).spec
    except CompileError as error:
        return "compile", error.diagnostics[0].message
    except SyscastError as error:
        return "compile", str(error)
    try:
        module = Module(spec)
    except Exception as error:  # noqa: BLE001  (what bcc raises)
        return "maps", str(error)
    try:
        for message in _loaded(spec, module):
            return "load", message
    finally:
        module.close()
    return "", ""


_HOST = Host()


def main() -> int:
    """Try all texts; 1 where one fails without an excuse."""
    form = argparse.ArgumentParser(prog="python -m bcctools.corpus", description=__doc__)
    form.add_argument("recorded", type=Path)
    form.add_argument("tools", nargs="*")
    given = form.parse_args()
    texts: dict[str, list[dict[str, object]]] = json.loads(given.recorded.read_text())
    count: Counter[str] = Counter()
    blamed = []
    for tool, recorded in texts.items():
        if given.tools and tool not in given.tools:
            continue
        for each in recorded:
            stage, message = attempt(str(each["text"]), list(each["cflags"]))  # type: ignore[call-overload]
            if not stage:
                count["compiled and loaded"] += 1
                continue
            args = tuple(each["args"])  # type: ignore[arg-type]
            excuse = _excuse(message, int(str(each["facts"])))
            count[f"not here: {excuse}" if excuse else f"{stage}: FAILED"] += 1
            if not excuse:
                blamed.append(Failure(tool, args, stage, message, excuse))
    for what, number in count.most_common():
        print(f"{number:5} {what}")
    for failure in blamed:
        print(f"{failure.tool} {' '.join(failure.args)}: {failure.stage}: {failure.message}")
    return 1 if blamed else 0


if __name__ == "__main__":
    sys.exit(main())
