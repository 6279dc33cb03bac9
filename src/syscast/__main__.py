"""The program ``syscast``, also ``python -m syscast``."""

from __future__ import annotations

import signal
from typing import NoReturn


def main() -> NoReturn:
    """Import the command line and run it.

    Until handlers of its own stand, Ctrl-C ends the process as it ends any other program: an
    interrupted import would print a traceback.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from syscast.cli.main import main as run  # noqa: PLC0415  (after the line above)

    run()


if __name__ == "__main__":
    main()
