"""``BPF.Function``: one loaded program, as scripts hold it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import socket

    from syscast.kernel.descriptors import Fd
    from syscast.loader.loaded import LoadedProgram


class Owner(Protocol):
    """What a function says of its module: nothing but that it exists."""

    def close(self) -> None: ...


class Function:
    """A loaded program.

    Attributes:
        bpf: The ``BPF`` object that it belongs to.
        name: In the C text.
        fd: Number of the descriptor, closed with the ``BPF`` object.
        sock: Number of the raw socket's descriptor, once `BPF.attach_raw_socket` made one.
    """

    def __init__(self, bpf: Owner, name: bytes, held: LoadedProgram) -> None:
        self.bpf = bpf
        self.name = name
        self.fd: int = held.fd.fileno()
        self.sock: int = -1
        self._held = held
        self._socket: socket.socket | None = None

    @property
    def program(self) -> Fd:
        """The descriptor's owner, for links."""
        return self._held.fd

    def keep_socket(self, made: socket.socket) -> None:
        """Keep a socket open for as long as the program is."""
        if self._socket is not None:
            self._socket.close()
        self._socket = made
        self.sock = made.fileno()

    def close(self) -> None:
        """Close program and socket; a second call does nothing."""
        self._held.fd.close()
        if self._socket is not None:
            self._socket.close()
            self._socket = None
