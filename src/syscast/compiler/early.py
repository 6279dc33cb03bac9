"""LLVM's child, started before it is certain that it will be needed.

Whether an object is in the cache is known only when its probes are lowered, and by then the child could
have loaded half of LLVM. So each compile leaves an empty entry in the cache under what is known at once: the
bytecode of its functions. Where that entry is missing, the child is started first. A wrong guess costs time, and
nothing else: a constant that changed starts the child late, a removed object starts none early.
"""

from __future__ import annotations

import contextlib
from types import FunctionType
from typing import TYPE_CHECKING, Self

from syscast.compiler.cache import Cache, key_of
from syscast.errors import NotSupportedError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from syscast.codegen.child import Child


class Early:
    """A child for whoever needs it first; a context manager that ends it if nobody does.

    Args:
        bodies: What is to be compiled, functions or others; others are not guessed about.
    """

    def __init__(self, bodies: Iterable[object]) -> None:
        self._key = _key(bodies)
        self._cache = Cache.default()
        self._child: Child | None = None
        if self._key and self._cache.get(self._key) is None:
            from syscast.codegen.child import Child  # noqa: PLC0415  (a warm start needs none)

            with contextlib.suppress(NotSupportedError):  # it is raised again where it matters
                self._child = Child()

    def take(self) -> Child:
        """The child, or a new one; the caller closes it."""
        from syscast.codegen.child import Child  # noqa: PLC0415  (a warm start needs none)

        child, self._child = self._child, None
        return child or Child()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._child is not None:
            self._child.close()
        if error is None and self._key and self._cache.get(self._key) is None:
            self._cache.put(self._key, b"")


def _key(bodies: Iterable[object]) -> str:
    """A name for these functions as they are now; "" where something is no function."""
    parts: list[str | bytes] = ["early"]
    for body in bodies:
        function: object = getattr(body, "__func__", body)
        if not isinstance(function, FunctionType):
            return ""
        code = function.__code__
        parts += [code.co_filename, str(code.co_firstlineno), code.co_code, repr(code.co_names)]
    return key_of(*parts)
