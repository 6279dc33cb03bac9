"""Run the harness: `./dev vm`, or `python -m vmtest` with tools/ on the path."""

import sys

from vmtest.cli import main

sys.exit(main())
