"""Who gets the name ``bcc`` where syscast's drop-in is installed under it (the distribution ``syscast-bcc``).

A distribution's own bcc may be installed too, further on the path. It is never hidden without a word: which
one to take is the user's choice.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from typing import TYPE_CHECKING

from syscast.bcc import alias
from syscast.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.machinery import ModuleSpec

CHOICE = "SYSCAST_BCC"
"""Environment: ``system`` takes the distribution's bcc, ``syscast`` takes the drop-in without a word."""

_SYSTEM = "system"
_OURS = "syscast"


def take(name: str, package_path: Iterable[str]) -> None:
    """Called by the package ``bcc`` while it is imported: put the right module in its place.

    Args:
        name: The package's name, ``bcc``.
        package_path: Where it lies.

    Raises:
        UsageError: The choice is neither of the two.
        ImportError: The other one is wanted, but there is none.
    """
    choice = os.environ.get(CHOICE, "")
    if choice not in {"", _SYSTEM, _OURS}:
        raise UsageError(f"environment {CHOICE}: '{choice}' is neither '{_SYSTEM}' nor '{_OURS}'")
    other = None if choice == _OURS else _other(name, package_path)
    if choice == _SYSTEM:
        if other is None:
            raise ImportError(f"{CHOICE}={_SYSTEM}, but no other {name} is installed", name=name)
        _load(other)
        return
    if other is not None:
        sys.stderr.write(
            f"syscast-bcc: '{name}' is syscast's drop-in and hides the one in {_place(other)} "
            f"({CHOICE}={_OURS} keeps this quiet, {CHOICE}={_SYSTEM} takes that one)\n"
        )
    alias.install()


def _other(name: str, package_path: Iterable[str]) -> ModuleSpec | None:
    """Another package of this name on the path, if any."""
    own = {os.path.realpath(each) for each in package_path}
    for place in sys.path:
        found = PathFinder.find_spec(name, [place])
        if found is None or found.loader is None:
            continue
        if os.path.realpath(_place(found)) not in own:
            return found
    return None


def _place(spec: ModuleSpec) -> str:
    return os.path.dirname(spec.origin or "")  # noqa: PTH120 - as kernel.textfiles


def _load(spec: ModuleSpec) -> None:
    """Import a module in place of the one that is being imported."""
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    if spec.loader is not None:
        spec.loader.exec_module(module)
