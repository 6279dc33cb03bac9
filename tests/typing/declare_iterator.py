"""What a type checker makes of iterators; checked by mypy and pyright, never run."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from typing import assert_type

from syscast.events.event import Event
from syscast.events.fieldtypes import Port, u32
from syscast.session.snapshot import iterator


class Row(Event):
    port: Port
    uid: u32


@iterator("tcp")
def sockets(port: int, uid: int) -> Row | None:
    return Row(port=port, uid=uid) if port else None


assert_type(sockets.snapshot(), list[Row])
assert_type(sockets(1, 2), Row | None)
for row in sockets.rows(netns="blue"):
    assert_type(row, Row)
with sockets.open(pid=1) as table:
    assert_type(table.snapshot(), list[Row])
sockets.snapshot(color="blue")  # type: ignore[call-arg]
