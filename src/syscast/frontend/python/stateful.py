"""What a probe does with state: maps, counters, histograms that it shares with Python.

`HANDLERS` is what the rest of the front end calls; see `context.StateHandlers`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.frontend.python.augmenting import augment
from syscast.frontend.python.mapvalues import assign, contains, delete, item
from syscast.frontend.python.statebytes import copied
from syscast.frontend.python.statemethods import attribute, construct, length, method

if TYPE_CHECKING:
    from syscast.frontend.python.context import StateHandlers


class _Handlers:
    """See `context.StateHandlers`."""

    item = staticmethod(item)
    copied = staticmethod(copied)
    contains = staticmethod(contains)
    assign = staticmethod(assign)
    augment = staticmethod(augment)
    delete = staticmethod(delete)
    attribute = staticmethod(attribute)
    method = staticmethod(method)
    construct = staticmethod(construct)
    length = staticmethod(length)


HANDLERS: StateHandlers = _Handlers()
