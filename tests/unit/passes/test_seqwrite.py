"""How rows of iterators leave a program: by seq_write, behind the header of a ring, taken back where they do not fit."""

from __future__ import annotations

import pytest
from sketch import SCHEMA, Kernel, golden, iterating, listen, tracing

from syscast import passes
from syscast.ir import ops
from syscast.ir.check import check
from syscast.ir.printer import program_text
from syscast.passes import emits
from syscast.spec.meta import RECORD_HEADER_SIZE


@pytest.fixture(scope="module")
def kernel():
    return Kernel()


def helpers(made):
    return [
        op.name
        for function in made.functions
        for block in function.blocks
        for op in block.ops
        if isinstance(op, ops.Helper)
    ]


def test_seqwrite(kernel):
    made = emits.run(listen(kernel, iterating()), kernel.btf)
    check(made)
    golden("rows/emits.txt", program_text(made))


def test_a_row_needs_no_ring_and_asks_for_nobody_to_wake(kernel):
    made = passes.run(listen(kernel, iterating(), filtered=True), kernel.btf)
    called = helpers(made)
    assert called.count("seq_write") == 1
    assert not {"ringbuf_reserve", "ringbuf_submit", "perf_event_output"} & set(called)
    maps = {each.name: each for each in made.maps}
    assert {"events", "control"}.isdisjoint(maps)
    assert maps["scratch"].value_size == 8 + RECORD_HEADER_SIZE + SCHEMA.size
    # Neither filters, which would ask about the reader, nor choices of delivery.
    assert not [
        op
        for f in made.functions
        for b in f.blocks
        for op in b.ops
        if isinstance(op, ops.DataAddr)
    ]


def test_events_of_other_kinds_keep_their_ring(kernel):
    made = passes.run(listen(kernel, tracing()), kernel.btf)
    assert "seq_write" not in helpers(made)
    assert "events" in {each.name for each in made.maps}
