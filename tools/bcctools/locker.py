"""Takes two locks in both orders from two threads, one after the other: a deadlock that could be."""

from __future__ import annotations

import ctypes
import threading
import time

_MUTEX = 64  # more than sizeof(pthread_mutex_t)


def main() -> None:
    """Never ends by itself."""
    libc = ctypes.CDLL(None)
    first, second = (ctypes.create_string_buffer(_MUTEX) for _ in range(2))

    def take(one: object, other: object) -> None:
        for lock in (one, other):
            libc.pthread_mutex_lock(lock)
            time.sleep(0.01)
        for lock in (other, one):
            libc.pthread_mutex_unlock(lock)

    while True:
        for pair in ((first, second), (second, first)):
            thread = threading.Thread(target=take, args=pair)
            thread.start()
            thread.join()
        time.sleep(0.1)


if __name__ == "__main__":
    main()
