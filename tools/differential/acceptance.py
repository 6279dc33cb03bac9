"""What the compiler accepts, the verifier accepts: probes over real kernel types, compiled and loaded, never run.

`./dev acceptance --programs N [--vm KERNEL]`. Each probe walks at random through the structs that its target's arguments point to, by BTF, and
computes with what it read as `grammar` does. Nothing of it is rejected by a verifier, or the compiler must not take it.
"""

from __future__ import annotations

import argparse
import keyword
import linecache
import random
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

from differential import compiling
from differential.grammar import FEATURES
from differential.writer import BOOL, INT, TEXT, WIDE, Writer
from syscast.btf.types import Array, Enum, Int, Ptr, Struct
from syscast.compiler.backend import build_object
from syscast.diagnostics import CompileError
from syscast.errors import SyscastError
from syscast.frontend.python.lower import lower_probe
from syscast.frontend.python.source import read_function
from syscast.frontend.python.unit import Unit
from syscast.loader.load import load
from syscast.probes import registry
from syscast.spec.read import read_object

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FunctionType

    from syscast.btf.lookup import Btf

TARGETS = (
    "raw_tracepoint:sched_switch",
    "raw_tracepoint:sched_process_exec",
    "raw_tracepoint:inet_sock_set_state",
    "raw_tracepoint:sched_process_fork",
    "raw_tracepoint:task_rename",
    "raw_tracepoint:tcp_destroy_sock",
)
"""Places with pointers to large structs, in every kernel."""

_DEPTH = 4
_TRIES = 30


class Root(NamedTuple):
    """A parameter that points to a struct."""

    name: str
    struct: int


class Finding(NamedTuple):
    """A probe that a verifier refuses, or that the compiler fails on."""

    target: str
    text: str
    error: str


class Walks:
    """Random paths through the kernel's structs."""

    def __init__(self, btf: Btf, choose: random.Random) -> None:
        self._btf = btf
        self._choose = choose

    def walk(self, root: Root) -> tuple[str, str] | None:
        """An expression that ends at something with a value, and its sort; None where none was found."""
        path, struct = root.name, root.struct
        for _ in range(_DEPTH):
            kind = self._btf.type(self._btf.resolve(struct))
            if not isinstance(kind, Struct) or not kind.members:
                return None
            member = self._choose.choice(kind.members)
            if not member.name.isidentifier() or keyword.iskeyword(member.name):
                return None
            path = f"{path}.{member.name}"
            reached = self._btf.type(self._btf.resolve(member.type_id))
            sort = self._sort(reached)
            if sort:
                return path, sort
            if isinstance(reached, Ptr):
                struct = reached.type_id
            elif isinstance(reached, Struct):
                struct = member.type_id
            else:
                return None
        return None

    def _sort(self, kind: object) -> str:
        if isinstance(kind, Int):
            if kind.name in {"_Bool", "bool"}:
                return BOOL
            return WIDE if kind.size == 8 and not kind.signed else INT if kind.size <= 8 else ""
        if isinstance(kind, Enum):
            return INT
        if isinstance(kind, Array):
            element = self._btf.type(self._btf.resolve(kind.element_id))
            text = isinstance(element, Int) and element.name == "char"
            return TEXT if text and 1 < kind.count <= 64 else ""
        return ""


def generate(seed: int, number: int, target: str) -> tuple[str, registry.Choice]:
    """A probe's text for a target, and how it attaches."""
    choose = random.Random(f"{seed}/{number}/{target}")  # noqa: S311  (repeatable is the point)
    choice = registry.choose(target, "probe", here=False)
    (context,) = choice.kind.contexts(choice.target, role="probe")
    btf = choice.types
    names, roots = [], []
    for index, each in enumerate(context.arguments):
        name = f"p{index}"
        names.append(name)
        kind = btf.type(btf.resolve(each.type_id)) if each.type_id else None
        pointee = btf.type(btf.resolve(kind.type_id)) if isinstance(kind, Ptr) else None
        if isinstance(kind, Ptr) and isinstance(pointee, Struct):
            roots.append(Root(name, kind.type_id))
    writer, walks = Writer(choose, FEATURES), Walks(btf, choose)
    for _ in range(_TRIES):
        found = walks.walk(choose.choice(roots))
        if found is not None:
            path, sort = found
            name = writer.fresh()
            writer.line(f"{name} = {f'kernel_str({path}, 32)' if sort == TEXT else path}")
            writer.scope[name] = sort
            writer.fixed |= {name} if sort == TEXT else set()
        if len(writer.scope) >= choose.choice((2, 3, 4)):
            break
    writer.line("number = 7")
    writer.scope |= {"number": INT}
    for _ in range(choose.choice((1, 2, 3))):
        writer.statement(2)
    writer.line(f"return {writer.event(1)}")
    text = "\n".join([*writer.helpers, f"def probe({', '.join(names)}):", *writer.lines, ""])
    return text, choice


def check(seed: int, numbers: Sequence[int]) -> tuple[int, int, list[Finding]]:
    """Compile and load probes; gives how many were loaded and refused by the compiler, and what was found."""
    loaded = rejected = 0
    found: list[Finding] = []
    for number in numbers:
        target = TARGETS[number % len(TARGETS)]
        text, choice = generate(seed, number, target)
        file = f"<acceptance {number}>"
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        space = dict(compiling.names())
        try:
            exec(compile(text, file, "exec"), space)  # noqa: S102  (as a user's file is)
            function: FunctionType = space["probe"]  # type: ignore[assignment]  # its text says so
            unit = Unit()
            contexts = choice.kind.contexts(choice.target, role="probe")
            lower_probe(unit, choice.types, read_function(function), contexts, "probe")
            elf = build_object(unit.program("probe", "x86_64"), choice.types)
            load(read_object(elf, "probe")).close()
            loaded += 1
        except CompileError:
            rejected += 1
        except SyscastError as error:
            found.append(Finding(target, text, "\n".join(str(error).splitlines()[:12])))
    return loaded, rejected, found


def main(argv: Sequence[str] | None = None) -> int:
    """Run `./dev acceptance`."""
    form = argparse.ArgumentParser(prog="./dev acceptance", allow_abbrev=False)
    form.add_argument("--programs", type=int, default=200, help="probes to compile and load (200)")
    form.add_argument("--seed", type=int, default=None, help="repeat an earlier run")
    form.add_argument("--vm", metavar="KERNEL", help="in a VM with this kernel (see ./dev vm)")
    options = form.parse_args(argv)
    seed: int = options.seed if options.seed is not None else random.SystemRandom().getrandbits(32)
    if options.vm:
        command = f"python3 -m differential.acceptance --programs {options.programs} --seed {seed}"
        words = ["--kernel", options.vm, "--shell", command]
        return subprocess.run([sys.executable, "-m", "vmtest", *words], check=False).returncode
    print(f"seed {seed}", flush=True)
    began = time.monotonic()
    loaded, rejected, found = check(seed, range(options.programs))
    for each in found[:5]:
        print(f"\n{each.target}\n{each.text}\n{each.error}")
    seconds = time.monotonic() - began
    print(
        f"{loaded} loaded, {rejected} refused by the compiler, {len(found)} refused by the verifier, in {seconds:.0f} s"
    )
    return 1 if found or not loaded else 0


if __name__ == "__main__":
    sys.exit(main())
