"""``syscast bcc``: a script written for bcc, with the drop-in as its ``bcc``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_HELP = """Run a script written for bcc, without bcc.

The script finds syscast's drop-in where it says "from bcc import BPF": its C is compiled for this
kernel from BTF alone, without clang and kernel headers. SCRIPT is a file, or the name of a
program in PATH; everything behind it is the script's own.

\b
syscast bcc opensnoop.py -p 1234
syscast bcc execsnoop-bpfcc
"""


@click.command(
    "bcc",
    help=_HELP,
    short_help="Run a script written for bcc.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("script")
@click.argument("arguments", metavar="[ARGS]...", nargs=-1, type=click.UNPROCESSED)
def command(script: str, arguments: tuple[str, ...]) -> None:
    """Run ``syscast bcc``."""
    # The drop-in is a facade beside this one: the two meet here and by name only.
    module = import_module("syscast.bcc.script")
    run = cast("Callable[[str, Sequence[str]], None]", module.run)
    run(script, arguments)
