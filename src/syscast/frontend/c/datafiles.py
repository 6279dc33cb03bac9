"""The texts of this package's folder ``data``."""

from __future__ import annotations

import os

_FOLDER = f"{os.path.dirname(__file__)}/data"  # noqa: PTH120  (importlib.resources costs 20 ms)


def data(name: str) -> str:
    """The content of a file."""
    with open(f"{_FOLDER}/{name}", encoding="utf-8") as file:  # noqa: PTH123  (pathlib costs 5 ms)
        return file.read()
