"""The tools and what makes each of them print something: `rows.toml`."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    """One tool; the attributes are explained in `rows.toml`."""

    tool: str
    args: tuple[str, ...] = ()
    setup: str = ""
    victim: str = ""
    work: str = ""
    expect: str = ""
    seconds: float = 0.0
    tty: bool = False
    not_here: str = ""
    unfit: dict[str, str] = field(default_factory=dict)

    def found(self, output: str) -> bool:
        """Whether the output has what all is right with."""
        return re.search(self.expect, output, re.MULTILINE) is not None


def rows() -> dict[str, Row]:
    """All rows by the tool's name without Debian's suffix."""
    found: dict[str, dict[str, object]] = tomllib.loads(
        Path(__file__).with_name("rows.toml").read_text()
    )
    made = {}
    for tool, values in found.items():
        args = tuple(str(each) for each in values.pop("args", ()))  # type: ignore[attr-defined]
        made[tool] = Row(tool, args, **values)  # type: ignore[arg-type]
    return made
