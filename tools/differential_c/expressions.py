"""Random integer expressions of C."""

from __future__ import annotations

from typing import TYPE_CHECKING

from differential_c.scope import INTS, Scope, Struct
from differential_c.tree import Expr

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

_NUMBERS = (0, 1, 2, 3, 7, 8, 15, 31, 63, 64, 127, 128, 255, 256, 32767, 65535, 65536, 0x7FFFFFFF)
_LARGE = (0x80000000, 0xFFFFFFFF, 0x100000000, 0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF)
_PLAIN = ("+", "-", "*", "&", "|", "^", "<", "<=", ">", ">=", "==", "!=", "&&", "||")
WORDS = 6


class Expressions:
    """Makes expressions of what a scope has.

    Attributes:
        functions: Helpers that can be called: name and number of integer parameters.
        pure: More than 0 where nothing may have a side effect.
    """

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.scope = Scope()
        self.functions: list[tuple[str, int]] = []
        self.pure = 0
        self._touched: set[str] = set()
        self._divisions = 0
        self._makers: tuple[tuple[Callable[[int], Expr], int], ...] = (
            (self._plain, 12),
            (self._macro, 6),
            (self._unary, 3),
            (self._cast, 4),
            (self._chosen, 2),
            (self._side, 2),
            (self._call, 2),
            (self._odd, 2),
        )

    def full(self, depth: int | None = None) -> Expr:
        """A full expression."""
        self._touched = set()
        self._divisions = 0
        return self.expr(self.rng.choice((0, 1, 2, 2, 3)) if depth is None else depth)

    def expr(self, depth: int) -> Expr:
        """An expression at most that deep."""
        if depth <= 0:
            return self.leaf()
        makers, weights = zip(*self._makers, strict=True)
        return self.rng.choices(makers, weights)[0](depth - 1)

    def leaf(self) -> Expr:
        """A number, a variable's value or a word of the context."""
        rng = self.rng
        kind = rng.randrange(10)
        if kind < 3:
            return Expr(self.number())
        if kind < 5:
            return Expr(f"ctx->args[{rng.randrange(WORDS)}]" if self.has_ctx else self.number())
        return self.readable()

    has_ctx = True

    def number(self) -> str:
        """A literal of any sort."""
        rng = self.rng
        kind = rng.randrange(12)
        if kind == 0:
            return rng.choice(
                ("'a'", "'\\n'", "'\\xff'", "'\\0'", "sizeof(int)", "sizeof(u16[3])")
            )
        value = rng.choice(_NUMBERS) if kind < 9 else rng.choice(_LARGE)
        suffix = rng.choice(("", "", "", "u", "l", "ul", "ll", "ULL"))
        text = rng.choice((f"{value}", f"0x{value:x}", f"0{value:o}"))
        if value > 0x7FFFFFFFFFFFFFFF:
            text, suffix = f"0x{value:x}", "ull"
        return f"-{text}{suffix}" if rng.random() < 0.15 else f"{text}{suffix}"

    # ------------------------------------------------------------ places

    def readable(self) -> Expr:
        """The value of some place."""
        return self.place(write=False) or Expr(self.number())

    def place(self, *, write: bool) -> Expr | None:
        """A place that holds an integer."""
        scope, rng = self.scope, self.rng
        ways: list[Callable[[], Expr]] = []
        ints = [name for name in scope.ints if not (write and name in scope.frozen)]
        if ints:
            ways += [lambda: Expr(rng.choice(ints))] * 4
        if scope.arrays:
            ways += [lambda: self._element(*rng.choice(list(scope.arrays.items())))] * 2
        if scope.structs:
            ways += [lambda: self._member(*rng.choice(list(scope.structs.items())), ".")] * 3
        if scope.pointers:
            ways += [lambda: self._pointed(*rng.choice(list(scope.pointers.items())))] * 2
        if scope.views:
            ways += [lambda: self._member(*rng.choice(list(scope.views.items())), "->")]
        return rng.choice(ways)() if ways else None

    def _index(self, count: int) -> Expr:
        if self.rng.random() < 0.4:
            return Expr(str(self.rng.randrange(count)))
        self.pure += 1
        inner = self.expr(self.rng.choice((0, 0, 1)))
        self.pure -= 1
        return Expr(f"((%s) & {count - 1})", (inner,), needed=True)

    def _element(self, name: str, of: tuple[str, int]) -> Expr:
        return Expr(f"{name}[%s]", (self._index(of[1]),))

    def _member(self, name: str, struct: Struct, dot: str) -> Expr:
        at = f"{name}{dot}"
        member = self.rng.choice(struct.members)
        while member.struct is not None:
            at += f"{member.name}." if member.name else ""
            member = self.rng.choice(member.struct.members)
        if member.count:
            return Expr(f"{at}{member.name}[%s]", (self._index(member.count),))
        if dot == "." and "." not in at[:-1] and member.name[0] == "m" and self.rng.random() < 0.1:
            return Expr(f"FIELD({name}, {member.name[1:]})")
        return Expr(at + member.name)

    def _pointed(self, name: str, of: tuple[str, int]) -> Expr:
        if of[1] == 1:
            return Expr(self.rng.choice((f"*{name}", f"{name}[0]")))
        form = self.rng.choice((f"{name}[%s]", f"*({name} + %s)"))
        return Expr(form, (self._index(of[1]),))

    # ------------------------------------------------------------ operators

    def _plain(self, depth: int) -> Expr:
        op = self.rng.choice(_PLAIN)
        return Expr(f"(%s {op} %s)", (self.expr(depth), self.expr(depth)))

    def _macro(self, depth: int) -> Expr:
        name = self.rng.choice(
            ("DIV", "MOD", "SHL", "SHR", "SHL", "SHR", "MIN2", "TWICE", "PICK2", "PICK3")
        )
        if name == "TWICE":
            self.pure += 1
            inner = self.expr(depth)
            self.pure -= 1
            return Expr("TWICE(%s)", (inner,))
        if name.startswith("PICK"):
            parts = tuple(self.expr(0) for _ in range(int(name[-1])))  # none inside of itself
            return Expr(f"PICK({', '.join('%s' for _ in parts)})", parts)
        # The host's macros repeat their arguments in __typeof__: nests of them grow too fast.
        if name != "MIN2":
            self._divisions += 1
            if self._divisions > 3:
                return self._plain(depth)
        self.pure += 1
        made = Expr(f"{name}(%s, %s)", (self.expr(depth), self.expr(depth)))
        self.pure -= 1
        return made

    def _unary(self, depth: int) -> Expr:
        op = self.rng.choice(("-", "~", "!", "+"))
        return Expr(f"({op}%s)", (Expr("(%s)", (self.expr(depth),)),))

    def _cast(self, depth: int) -> Expr:
        return Expr(f"(({self.rng.choice(INTS)})%s)", (Expr("(%s)", (self.expr(depth),)),))

    def _chosen(self, depth: int) -> Expr:
        return Expr("(%s ? %s : %s)", tuple(self.expr(depth) for _ in range(3)))

    def _side(self, depth: int) -> Expr:
        free = [name for name in self.scope.sides if name not in self._touched]
        if self.pure or not free:
            return self._plain(depth)
        name = self.rng.choice(free)
        self._touched.add(name)
        kind = self.rng.randrange(6)
        if kind < 4:
            return Expr((f"({name}++)", f"({name}--)", f"(++{name})", f"(--{name})")[kind])
        op = self.rng.choice(("=", "+=", "-=", "*=", "&=", "|=", "^="))
        return Expr(f"({name} {op} %s)", (self.expr(depth),))

    def _call(self, depth: int) -> Expr:
        if not self.functions or self.pure:
            return self._plain(depth)
        name, count = self.rng.choice(self.functions)
        parts = tuple(self.expr(min(depth, 1)) for _ in range(count))
        return Expr(f"{name}({', '.join('%s' for _ in parts)})", parts)

    def _odd(self, depth: int) -> Expr:
        kind = self.rng.randrange(4)
        if kind == 0:
            return Expr("(%s, %s)", (self.expr(depth), self.expr(depth)))
        if kind == 1:
            type_ = self.rng.choice(INTS)
            return Expr(f"({{ {type_} t_ = %s; t_ + 1; }})", (self.expr(depth),))
        if kind == 2:
            return Expr('"abcdefg"[(%s) & 7]', (self.expr(depth),), needed=True)
        return Expr("(%s ?: %s)", (self.expr(depth), self.expr(depth)))
