"""The third answer: the kernel runs the probes by BPF_PROG_TEST_RUN."""

from __future__ import annotations

import ctypes
from struct import Struct, unpack_from
from typing import TYPE_CHECKING, NamedTuple, Self

from differential.compiling import types
from syscast.buffers.opening import open_reader
from syscast.kernel.bpfprogs import prog_test_run
from syscast.loader.load import load
from syscast.spec.meta import EVENTS_MAP, RECORD_HEADER_SIZE
from syscast.spec.read import read_object

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from syscast.buffers.reader import Reader

_SCHEMA_AT = 32
_MANY = 4096
WORDS = 12
"""MAX_BPF_FUNC_ARGS: what a raw tracepoint's context may have."""
_CONTEXT = Struct(f"<{WORDS}Q")


class Answer(NamedTuple):
    """What a compiled probe did.

    Attributes:
        site: Number of the site that raised plus one, 0 for none.
        events: Schema id and payload of each record.
    """

    site: int
    events: tuple[tuple[int, bytes], ...]


class Kernel:
    """One loaded object."""

    def __init__(self, elf: bytes, names: Sequence[str], texts: bytes = b"") -> None:
        """Load it.

        Args:
            elf: The object.
            names: Of its programs.
            texts: What words that point to text are places in.

        Raises:
            VerifierError: The kernel refuses a program.
        """
        self._loaded = load(read_object(elf, "cases"), btf=types())
        self._programs = [self._loaded.programs[name].fd for name in names]
        self._texts = ctypes.create_string_buffer(texts)
        events = self._loaded.maps.get(EVENTS_MAP)
        self._reader: Reader | None = open_reader(events) if events is not None else None

    def run(self, program: int, values: Sequence[int], columns: Sequence[int] = ()) -> Answer:
        """Run a program once on the words of its context, of which some are places in the texts."""
        if columns:
            base = ctypes.addressof(self._texts)
            values = [v + base if n in columns else v for n, v in enumerate(values)]
        context = _CONTEXT.pack(*values, *[0] * (WORDS - len(values)))
        site = prog_test_run(self._programs[program], ctx_in=context).retval
        records = self._reader.read(_MANY) if self._reader is not None else ()
        return Answer(site, tuple(record(each) for each in records))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._reader is not None:
            self._reader.close()
        self._loaded.close()


def record(raw: bytes) -> tuple[int, bytes]:
    """A record's schema id and payload."""
    (schema,) = unpack_from("<H", raw, _SCHEMA_AT)
    return schema, raw[RECORD_HEADER_SIZE:]
