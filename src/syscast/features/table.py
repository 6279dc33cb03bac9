"""All features, in the order that ``doctor`` shows them: one tuple, and nothing registers itself."""

from __future__ import annotations

from syscast.features import attach, basics, btf_kinds, helpers, memory

FEATURES = (*basics.ROWS, *btf_kinds.ROWS, *memory.ROWS, *attach.ROWS, *helpers.ROWS)
