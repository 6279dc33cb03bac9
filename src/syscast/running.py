"""What type checkers know of the running kernel: nothing, until ``syscast stubs`` tells them.

The stub that it writes takes the place of this module for checkers; nothing imports it at run time.
"""

from __future__ import annotations

from typing import Any, TypeAlias

# Any is what a checker needs where it knows nothing; there is no other way to say it.
task_struct: TypeAlias = Any  # type: ignore[explicit-any]  # noqa: PYI042  (the kernel's name)
