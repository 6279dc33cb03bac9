"""The places where a probe can raise, while passes add to them.

A site has one exception; an op that can raise a second one gets a further site at its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.spec.meta import SiteMeta

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syscast.diagnostics import Span


class Sites:
    """Sites of one program; ids are indexes and never change."""

    def __init__(self, sites: Iterable[SiteMeta]) -> None:
        self._sites = list(sites)
        self._known: dict[tuple[str, int, int, str], int] = {}
        for site in self._sites:
            key = (site.file, site.line, site.column, site.exception)
            self._known.setdefault(key, site.id)

    def all(self) -> tuple[SiteMeta, ...]:
        """Every site, by id."""
        return tuple(self._sites)

    def kind(self, site: int, exception: str) -> int:
        """The site at the place of ``site`` that counts ``exception``."""
        at = self._sites[site]
        if at.exception == exception:
            return site
        return self._find(at.file, (at.line, at.column), exception, at.text)

    def at(self, span: Span | None, exception: str) -> int:
        """A site at a span, for ops that carry none."""
        if span is None:
            return self._find("", (0, 0), exception, "")
        return self._find(span.file, (span.line, span.column), exception, "")

    def _find(self, file: str, place: tuple[int, int], exception: str, text: str) -> int:
        key = (file, *place, exception)
        if key not in self._known:
            self._known[key] = len(self._sites)
            self._sites.append(SiteMeta(len(self._sites), exception, file, *place, text))
        return self._known[key]
