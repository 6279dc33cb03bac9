"""Events as programs sent them: ``table.event(data)`` gives the struct that stands in the C text."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from syscast.bcc.structs import event_type

if TYPE_CHECKING:
    import ctypes
    from _ctypes import _CData as CData

    from syscast.bcc.structs import CType
    from syscast.spec.tables import TableMeta


class Events:
    """What tables that programs send through have in common."""

    meta: TableMeta
    _event_class: CType | None = None

    def event(self, data: int) -> CData:
        """The struct at an address that a callback got.

        It is a copy, which may be kept.

        Raises:
            Exception: No program sends a struct through this table.
        """
        if self._event_class is None:
            if self.meta.event is None:
                raise Exception(  # noqa: TRY002 - bcc raises no class of its own
                    f"table '{self.meta.name}': event: the text sends no struct through it "
                    f"(cast the address to a ctypes struct)"
                )
            self._event_class = event_type(self.meta.event)
        # The description of ctypes gives these methods to its public classes only.
        made = cast("type[ctypes.Structure]", self._event_class)
        return made.from_buffer_copy(made.from_address(data))
