"""Names of the running kernel for the numbers that events of programs on many targets carry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

if TYPE_CHECKING:
    from syscast.probes.many import Names
    from syscast.spec.objectspec import ObjectSpec


def named(spec: ObjectSpec, known: Names) -> ObjectSpec:
    """The object with the names of the numbers that its events carry."""
    assert spec.meta is not None
    labels = known.labels()
    schemas = tuple(
        replace(
            schema,
            fields=tuple(
                replace(each, labels=labels) if each.kind == "function" else each
                for each in schema.fields
            ),
        )
        for schema in spec.meta.schemas
    )
    return replace(spec, meta=replace(spec.meta, schemas=schemas))
