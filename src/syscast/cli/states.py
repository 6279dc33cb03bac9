"""What probes left in the state that they share with Python, shown once a session has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syscast.cli.options import Options
    from syscast.state.state import State


def show(states: Mapping[str, State], options: Options) -> None:
    """Print each state: drawn for people, or one JSON object a line."""
    for name, held in states.items():
        if options.json:
            print(held.to_json(name), flush=True)
        else:
            print(f"\n{name}: {held!r}", flush=True)
