"""`python -m differential_c`."""

import sys

from differential_c.cli import main

sys.exit(main())
