"""How the drop-in fails: bcc raises plain ``Exception``, and what a user must read goes to descriptor 2.

Scripts catch ``Exception`` and match its text; tests capture the descriptor, not ``sys.stderr``.
"""

from __future__ import annotations

import os

NOT_TRACEABLE = 'it\'s not traceable (either non-existing, inlined, or marked as "notrace")'


def failure(text: str) -> Exception:
    """The exception that bcc would raise."""
    return Exception(text)


def say(text: str) -> None:
    """Write lines to descriptor 2, where bcc's C++ part writes."""
    data = (text.rstrip("\n") + "\n").encode("utf-8", "backslashreplace")
    while data:
        try:
            data = data[os.write(2, data) :]
        except OSError:  # closed: nobody wants to know
            return
