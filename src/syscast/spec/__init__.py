"""The blueprint: what the compile tower makes and the run tower loads.

Values only: no fd, no kernel address, no absolute choice of machine. An `ObjectSpec` comes out of
a BPF ELF object (ours or clang's) and is what the compile cache keeps.
"""

from syscast.spec.meta import (
    ConfigField,
    FieldMeta,
    ObjectMeta,
    ProgramMeta,
    SchemaMeta,
    SiteMeta,
)
from syscast.spec.objectspec import (
    CoreRelo,
    ExternRef,
    FuncInfo,
    KconfigVar,
    LineInfo,
    MapRef,
    MapSpec,
    ObjectSpec,
    ProgramSpec,
)

__all__ = [
    "ConfigField",
    "CoreRelo",
    "ExternRef",
    "FieldMeta",
    "FuncInfo",
    "KconfigVar",
    "LineInfo",
    "MapRef",
    "MapSpec",
    "ObjectMeta",
    "ObjectSpec",
    "ProgramMeta",
    "ProgramSpec",
    "SchemaMeta",
    "SiteMeta",
]
