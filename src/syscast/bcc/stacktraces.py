"""Stack traces that programs stored with ``get_stackid``."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, cast

from syscast.bcc.tablebase import TableBase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from syscast.bcc.tablebase import Key


class bpf_stack_build_id(ctypes.Structure):
    """``struct bpf_stack_build_id``: where in which file a frame is."""

    _fields_ = (
        ("status", ctypes.c_uint),
        ("build_id", ctypes.c_ubyte * 20),
        ("offset", ctypes.c_ulonglong),
    )


class StackTrace(TableBase):
    """BPF_STACK_TRACE: stacks by id."""

    MAX_DEPTH = 127
    BPF_F_STACK_BUILD_ID = 1 << 5
    BPF_STACK_BUILD_ID_EMPTY = 0
    BPF_STACK_BUILD_ID_VALID = 1
    BPF_STACK_BUILD_ID_IP = 2

    def walk(
        self, stack_id: Key, resolve: Callable[[object], object] | None = None
    ) -> Iterator[object]:
        """The frames of a stack, the innermost first.

        Args:
            stack_id: What ``get_stackid`` returned.
            resolve: Makes something else of each frame, such as a symbol.

        Returns:
            Instruction pointers; `bpf_stack_build_id` where the table keeps build ids.

        Raises:
            KeyError: There is no such stack: it was removed, or the id is an error.
        """
        if isinstance(stack_id, int) and stack_id < 0:
            raise KeyError(stack_id)
        data = self._map.lookup(self._key_bytes(stack_id))
        if data is None:
            raise KeyError(stack_id)
        frames = self._files(data) if self.flags & self.BPF_F_STACK_BUILD_ID else _addresses(data)
        return iter(frames) if resolve is None else map(resolve, frames)

    def clear(self) -> None:
        """Keep the stacks: tools clear their counts, whose stacks may be asked for again."""

    def _files(self, data: bytes) -> list[object]:
        size = ctypes.sizeof(bpf_stack_build_id)
        found: list[object] = []
        for at in range(0, len(data) - size + 1, size):
            frame = bpf_stack_build_id.from_buffer_copy(data, at)
            # Of a frame without a file the kernel gives the address instead; an address of 0 ends a stack.
            place = frame if frame.status == self.BPF_STACK_BUILD_ID_VALID else frame.offset
            if frame.status == self.BPF_STACK_BUILD_ID_EMPTY or place == 0:
                break
            found.append(place)
        return found


def _addresses(data: bytes) -> list[object]:
    frames: list[int] = memoryview(data).cast("Q").tolist()
    end = frames.index(0) if 0 in frames else len(frames)
    return cast("list[object]", frames[:end])
