"""The answer under test: the programs through syscast's C front end, run by the kernel."""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING

import msgspec

from differential_c.expressions import WORDS
from differential_c.prelude import COMMON, OURS
from syscast.bcc.surroundings import Host
from syscast.codegen.child import Child
from syscast.compiler.driver import made_by
from syscast.frontend.c.translate import lower_text
from syscast.kernel.bpfprogs import prog_test_run
from syscast.loader.load import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from differential_c.tree import Program
    from syscast.spec.objectspec import ObjectSpec

_SURROUNDINGS = Host()


def compiled(programs: Sequence[Program]) -> ObjectSpec:
    """All programs as one object, without the cache; raises what the compiler raises."""
    text = OURS + COMMON + "".join(program.text() for program in programs)
    with Child() as child:
        lowered = lower_text(text, "programs.c", _SURROUNDINGS, ())
        spec = made_by(child, lowered.program, _SURROUNDINGS.btf)
    typed = (msgspec.structs.replace(each, type="raw_tracepoint") for each in spec.programs)
    return msgspec.structs.replace(spec, programs=tuple(typed))


def run(programs: Sequence[Program], rows: Sequence[Sequence[tuple[int, ...]]]) -> list[list[int]]:
    """What each program gives for its rows.

    Raises:
        SyscastError: The compiler or the verifier refuses them.
    """
    spec = compiled(programs)
    found = []
    with load(spec, overrides={each.name: each for each in spec.programs}) as loaded:
        for program, each in zip(programs, rows, strict=True):
            fd = loaded.programs[program.name].fd
            found.append(
                [prog_test_run(fd, ctx_in=pack(f"<{WORDS}Q", *row)).retval for row in each]
            )
    return found
