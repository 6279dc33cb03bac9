"""Names that a text may call without declaring them: helpers, the dialect's functions, the compiler's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.frontend.c import (
    atomics,
    byteorder,
    compilercalls,
    helpercalls,
    memorycalls,
    packets,
    printk,
    usdtargs,
)

if TYPE_CHECKING:
    from syscast.frontend.c.dialect import Dialect
    from syscast.frontend.c.lowering import Handler


def builtins(dialect: Dialect) -> dict[str, Handler]:
    """What lowers their calls, by name; the more special over the more general."""
    return {
        **helpercalls.handlers(dialect),
        **printk.handlers(dialect),
        **byteorder.handlers(),
        **compilercalls.handlers(),
        **memorycalls.handlers(),
        **atomics.handlers(),
        **memorycalls.numbers(dialect.surroundings.possible_cpus),
        **packets.handlers(),
        **usdtargs.handlers(),
    }
