"""Real probe functions, lowered for a raw tracepoint and run by BPF_PROG_TEST_RUN in this process.

What a run sends or raises is held against the same function called from Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import pack, unpack_from
from typing import TYPE_CHECKING

from syscast import passes
from syscast.btf import source
from syscast.buffers.opening import open_reader
from syscast.compiler.driver import build
from syscast.events.records import Decoder
from syscast.frontend.python.lower import lower_probe
from syscast.frontend.python.source import read_function
from syscast.frontend.python.unit import Unit
from syscast.ir.program import ArgumentSource, ProgramContext
from syscast.kernel.bpfprogs import prog_test_run
from syscast.loader.load import load
from syscast.spec.read import read_object

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syscast.btf.lookup import Btf

I64 = {"size": 8, "signed": True}
U64 = {"size": 8}
U32 = {"size": 4}
I32 = {"size": 4, "signed": True}
TEXT = {"user": True, "string": True, "ctype": "char *"}
USER = {"user": True, "ctype": "void *"}


@dataclass(frozen=True)
class Raised:
    """A run that ended with an exception, counted at a line of the source."""

    exception: str
    line: int


class Probes:
    """Functions of Python as programs of one object, loaded. Close it.

    Args:
        functions: Probes; each takes the arguments in order.
        arguments: One of the dicts above for each word of the context.
    """

    def __init__(
        self,
        functions: Sequence[Callable[..., object]],
        arguments: Sequence[dict[str, object]],
        btf: Btf | None = None,
    ) -> None:
        self.btf = btf or source.kernel()
        unit = Unit()
        for number, function in enumerate(functions):
            read = read_function(function)
            names = [each.arg for each in read.node.args.args]
            sources = tuple(
                ArgumentSource(name, offset=8 * index, **kind)
                for index, (name, kind) in enumerate(zip(names, arguments, strict=False))
            )
            context = ProgramContext(
                "raw_tracepoint", "case", "raw_tp/case", "raw_tracepoint", arguments=sources
            )
            lower_probe(unit, self.btf, read, (context,), f"p{number}")
        program = unit.program("probing", "x86_64")
        self.lowered = program
        self.sites = passes.run(program, self.btf).sites
        elf = build(program, self.btf)
        self.spec = read_object(elf, "probing")
        self.loaded = load(self.spec, btf=self.btf)
        names = [each.name for each in program.functions]
        self._programs = [self.loaded.programs[name].fd for name in names]
        self._reader = open_reader(self.loaded.maps["events"])
        self._decoder = Decoder(program.schemas, classes=unit.classes)
        self._counted = self._raised()

    def run(self, number: int, *words: int) -> object:
        """The event, None where none was sent, or what was raised."""
        mask = (1 << 64) - 1
        context = pack(f"<{len(words)}Q", *(word & mask for word in words))
        prog_test_run(self._programs[number], ctx_in=context)
        records = self._reader.read(10)
        if records:
            (event,) = self._decoder.events([bytes(each) for each in records])
            return event
        if "raised" not in self.loaded.maps:
            return None
        before, self._counted = self._counted, self._raised()
        for site, (old, new) in enumerate(zip(before, self._counted, strict=True)):
            if new != old:
                return Raised(self.sites[site].exception, self.sites[site].line)
        return None

    def _raised(self) -> list[int]:
        if "raised" not in self.loaded.maps:
            return []
        counters = self.loaded.maps["raised"]
        return [
            sum(unpack_from(f"<{counters.cpus}Q", counters.lookup(site.id))) for site in self.sites
        ]

    def close(self) -> None:
        """Unload."""
        self._reader.close()
        self.loaded.close()


def in_python(function: Callable[..., object], *arguments: object) -> object:
    """What CPython makes of it: an event, None, or the exception's name."""
    try:
        return function(*arguments)
    except (OverflowError, ZeroDivisionError, ValueError, IndexError) as error:
        return type(error).__name__
