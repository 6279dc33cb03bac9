"""Names of kernel functions, for editors that complete them: ``@sc.kprobe(functions.tcp_connect)``.

Any name is one. With the stubs that ``syscast stubs`` writes, type checkers know which the kernel
has, and editors show their signatures.
"""

from __future__ import annotations


class FunctionName(str):
    """The name of a kernel function, as a probe's target."""

    __slots__ = ()


def __getattr__(name: str) -> FunctionName:
    if name.startswith("__") and name.endswith("__"):  # Python itself asks for such names
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return FunctionName(name)
