"""What the names of a C text mean: its own declarations in nested scopes, and the kernel's where it has none.

Two rules keep the kernel out of the text's way. What the text declares wins, in both name spaces: its
``struct mount`` stands in for the kernel's, also behind the kernel's own pointers. And the kernel's
names are asked for one by one, only where nothing else is called so: 60,000 structs and enumerators
would otherwise clash with any text's variables.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Protocol

from syscast.btf import types as btf_types
from syscast.btf.near import nearest
from syscast.frontend.c.basictypes import base_names, everywhere, fallback
from syscast.frontend.c.types import Body, Enum, EnumBody, Int, Record, TypeProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from syscast.frontend.c.btftypes import KernelTypes
    from syscast.frontend.c.types import CType


class Entity:
    """What an ordinary identifier can stand for; variables, functions and tables derive from it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class TypeName(Entity):
    """A typedef."""

    type: CType


@dataclass(frozen=True, slots=True)
class Enumerator(Entity):
    """An enumerator, or a constant that is a macro in kernel headers."""

    value: int
    type: Int


class Constants(Protocol):
    """Numbers that kernel headers define as macros, so that BTF does not have them."""

    def constant(self, name: str) -> Enumerator | None:
        """The number behind a name."""
        ...

    def constant_names(self) -> Iterator[str]:
        """All names that `constant` knows."""
        ...


class _Scope:
    __slots__ = ("ordinary", "tags")

    def __init__(self) -> None:
        self.ordinary: dict[str, Entity] = {}
        self.tags: dict[tuple[str, str], Record | Enum] = {}


class Names:
    """The scopes of one text; made with the file's scope open."""

    def __init__(self, kernel: KernelTypes, constants: Constants) -> None:
        """Nothing is declared yet.

        Args:
            kernel: Types for tags and typedefs that the text does not declare.
            constants: Numbers for identifiers that it does not declare.
        """
        self.kernel = kernel
        self._constants = constants
        self._scopes = [_Scope()]
        self._own: dict[tuple[str, str], Record | Enum] = {}
        self._enumerators: dict[str, Enumerator | None] = {}
        kernel.override_by(lambda kind, tag: self._own.get((kind, tag)))

    # ------------------------------------------------------------ scopes

    @contextmanager
    def scope(self) -> Iterator[None]:
        """A block: what is declared inside of it ends with it."""
        self._scopes.append(_Scope())
        try:
            yield
        finally:
            self._scopes.pop()

    @contextmanager
    def function(self) -> Iterator[None]:
        """The body of a function: sees the file's scope and its own, not those of who calls it."""
        outer, self._scopes = self._scopes, [self._scopes[0], _Scope()]
        try:
            yield
        finally:
            self._scopes = outer

    @property
    def at_file_scope(self) -> bool:
        """Whether no block is open."""
        return len(self._scopes) == 1

    @property
    def innermost(self) -> object:
        """The scope that is open now, to tell it from others."""
        return self._scopes[-1]

    # ------------------------------------------------------------ ordinary identifiers

    def declare(self, name: str, entity: Entity) -> Entity | None:
        """Declare an identifier in the innermost scope; returns what the same scope had under the name."""
        ordinary = self._scopes[-1].ordinary
        before = ordinary.get(name)
        ordinary[name] = entity
        return before

    def declare_in_file(self, name: str, entity: Entity) -> Entity | None:
        """Declare an identifier in the file's scope, whatever blocks are open."""
        ordinary = self._scopes[0].ordinary
        before = ordinary.get(name)
        ordinary[name] = entity
        return before

    def declared(self, name: str) -> Entity | None:
        """What the text declares under a name, the innermost first."""
        for scope in reversed(self._scopes):
            found = scope.ordinary.get(name)
            if found is not None:
                return found
        return None

    def declared_here(self, name: str) -> Entity | None:
        """What the innermost scope itself declares under a name."""
        return self._scopes[-1].ordinary.get(name)

    def lookup(self, name: str) -> Entity | None:
        """What a name in an expression means: the text's own, else a constant or enumerator of the kernel."""
        found = self.declared(name)
        if found is None:
            if name not in self._enumerators:
                self._enumerators[name] = self._of_kernel(name)
            found = self._enumerators[name]
        return found

    def _of_kernel(self, name: str) -> Enumerator | None:
        constant = self._constants.constant(name)
        if constant is not None:
            return constant
        found = self.kernel.enumerator(name)
        return Enumerator(*found) if found else None

    def near(self, name: str) -> list[str]:
        """Names that read like a wrong identifier, best first: the text's own before the kernel's."""
        own = {each for scope in self._scopes for each in scope.ordinary}
        return (nearest(name, own) + nearest(name, self._constants.constant_names()))[:3]

    # ------------------------------------------------------------ names of types

    def typedef(self, name: str) -> CType | None:
        """What a name means as a type: a typedef of the text, one that every kernel has, or one of BTF.

        None where the text uses the name for something else, or nobody knows it.
        """
        declared = self.declared(name)
        if declared is not None:
            return declared.type if isinstance(declared, TypeName) else None
        return everywhere(name) or self.kernel.typedef(name) or fallback(name)

    def is_type(self, name: str) -> bool:
        """Whether a name that the text does not declare is a type, for the parser; cheap, asks no module."""
        known = everywhere(name) or self.kernel.kernel.has_typedef(name) or fallback(name)
        return bool(known)

    def near_type(self, name: str) -> list[str]:
        """Names of types that read like a wrong one, best first."""
        own = {
            each
            for scope in self._scopes
            for each, entity in scope.ordinary.items()
            if isinstance(entity, TypeName)
        }
        # By letters, not by pieces of three: of most of these names every piece differs.
        known = get_close_matches(name, own | base_names())
        return (known + self.kernel.kernel.btf.near(name, btf_types.Typedef))[:3]

    # ------------------------------------------------------------ tags

    def tag(self, kind: str, tag: str) -> Record | Enum:
        """The struct, union or enum that a text means by a tag; incomplete where nobody defines it.

        Args:
            kind: ``struct``, ``union`` or ``enum``.
            tag: The name.
        """
        key = (kind, tag)
        for scope in reversed(self._scopes):
            found = scope.tags.get(key)
            if found is not None:
                return found
        made = self.kernel.kernel.by_tag(kind, tag) or self._unknown(kind, tag)
        self._scopes[0].tags[key] = made
        return made

    def _unknown(self, kind: str, tag: str) -> Record | Enum:
        """Perhaps a module has it: that is asked only when its members matter."""
        if kind == "enum":
            return self.kernel.tag(kind, tag) or Enum(EnumBody(tag))
        body = Body(kind, tag, self._from_module)
        body.suggest = lambda: self._where_from(kind, tag)
        made = Record(body)
        self._own[kind, tag] = made
        return made

    def _from_module(self, body: Body) -> None:
        found = self.kernel.tag_of_module(body.kind, body.tag)
        if isinstance(found, Record) and found.body is not body and found.complete:
            body.aliases = found.body.aliases
            body.define(*found.body.layout())

    def _where_from(self, kind: str, tag: str) -> str:
        near = [each for each in self.near_tag(kind, tag) if each != tag]
        return did_you_mean(near) or "if a module of the kernel has it, load the module first"

    def forward(self, kind: str, tag: str) -> Record | Enum:
        """``struct tag;`` alone: in a block it hides an outer one, in the file it changes nothing."""
        if self.at_file_scope or kind == "enum":
            return self.tag(kind, tag)
        return self._scopes[-1].tags.setdefault((kind, tag), Record(Body(kind, tag)))

    def new_record(self, kind: str, tag: str) -> Record:
        """A struct or union whose definition the text begins; the caller defines its body.

        In the file's scope this takes the place of the kernel's type of that tag everywhere.

        Raises:
            TypeProblem: The text defines it twice.
        """
        if not tag:
            return Record(Body(kind, ""))
        key, scope = (kind, tag), self._scopes[-1]
        found = scope.tags.get(key)
        if isinstance(found, Record) and found.body.own:
            raise TypeProblem(f"redefinition of '{found.spelling}'")
        if not isinstance(found, Record):
            found = Record(Body(kind, tag))
            if self.at_file_scope:
                of_kernel = self.kernel.kernel.made_tag(kind, tag)
                found = of_kernel if isinstance(of_kernel, Record) else found
            scope.tags[key] = found
        found.body.forget()
        found.body.own = True
        if self.at_file_scope:
            self._own[key] = found
        return found

    def new_enum(self, tag: str) -> Enum:
        """An enum whose definition the text begins; the caller defines its body.

        Raises:
            TypeProblem: The text defines it twice.
        """
        made = Enum(EnumBody(tag))
        if tag:
            key = ("enum", tag)
            before = self._scopes[-1].tags.get(key)
            if before is not None and self._own.get(key) is before:
                raise TypeProblem(f"redefinition of 'enum {tag}'")
            self._scopes[-1].tags[key] = made
            if self.at_file_scope:
                self._own[key] = made
        return made

    def near_tag(self, kind: str, tag: str) -> list[str]:
        """Tags that read like a wrong one, best first."""
        own = {name for scope in self._scopes for of, name in scope.tags if of == kind}
        of_kind = btf_types.Enum if kind == "enum" else btf_types.Struct
        return (nearest(tag, own - {tag}) + self.kernel.kernel.btf.near(tag, of_kind))[:3]


def did_you_mean(names: Sequence[str]) -> str:
    """A hint of near matches; "" without any."""
    return "did you mean " + " or ".join(f"'{each}'" for each in names) + "?" if names else ""
