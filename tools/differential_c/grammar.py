"""Random programs of C: types, helpers, declarations and statements."""

from __future__ import annotations

import random

from differential_c.expressions import WORDS, Expressions
from differential_c.scope import FIELDS, IN_MEMORY, INTS, Member, Scope, Struct
from differential_c.tree import Expr, Program, Stmt

_ASSIGN = ("=", "=", "=", "+=", "-=", "*=", "&=", "|=", "^=")
_DIVIDE = ("DIV_TO", "MOD_TO", "SHL_TO", "SHR_TO")


def generate(seed: int, number: int) -> Program:
    """The program with a number in a seed's sequence."""
    return _Maker(random.Random(f"{seed}:{number}"), number).program()  # noqa: S311 - no secrets


class _Maker:
    def __init__(self, rng: random.Random, number: int) -> None:
        self._rng = rng
        self._number = number
        self._count = 0
        self._types: list[Struct] = []
        self._expressions = Expressions(rng)
        self._loops = 0

    def program(self) -> Program:
        """Everything, in the order in which it is declared."""
        rng = self._rng
        for _ in range(rng.randrange(3)):
            self._types.append(self._type())
        functions = tuple(self._function() for _ in range(rng.choice((0, 0, 1, 2))))
        self._expressions.has_ctx = True
        self._expressions.scope = Scope()
        body = [*self._opening(rng.randint(2, 6)), *self._statements(rng.randint(2, 7), 2)]
        ending = [*self._mixed(), Stmt("return (int)(h ^ (h >> 32));")]
        types = tuple(each.declaration() for each in self._types)
        return Program(self._number, types, functions, (Stmt("u64 h = 1;"), *body, *ending))

    def _name(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count}"

    @property
    def _scope(self) -> Scope:
        return self._expressions.scope

    # ------------------------------------------------------------ types

    def _type(self) -> Struct:
        rng = self._rng
        union = rng.random() < 0.25
        members: list[Member] = []
        for _ in range(rng.randint(2, 5)):
            name = self._name("m")
            kind = rng.randrange(10)
            if kind < 3 and not union:
                type_ = rng.choice(FIELDS)
                width = {"u8": 8, "s8": 8, "u16": 16, "s16": 16}.get(type_, 32)
                members.append(Member(name, type_, bits=rng.randint(1, width)))
            elif kind < 5:
                members.append(Member(name, rng.choice(IN_MEMORY), count=rng.choice((2, 4))))
            elif kind == 5 and self._types:
                inner = rng.choice(self._types)
                members.append(Member(name, inner.name, struct=inner))
            else:
                members.append(Member(name, rng.choice(IN_MEMORY)))
        word = "union" if union else "struct"
        return Struct(f"{word} T{self._number}_{self._name('t')}", tuple(members))

    # ------------------------------------------------------------ helpers

    def _function(self) -> tuple[str, tuple[Stmt, ...]]:
        rng = self._rng
        name = f"f{self._number}_{self._name('f')}"
        types = [rng.choice(INTS) for _ in range(rng.randint(1, 3))]
        names = [self._name("a") for _ in types]
        self._expressions.has_ctx = False
        self._expressions.scope = Scope(ints=dict(zip(names, types, strict=True)))
        body = [*self._opening(1), *self._statements(rng.randint(1, 3), 1)]
        last = Stmt("return %s;", (self._expressions.full(),))
        self._expressions.functions.append((name, len(types)))
        parameters = ", ".join(f"{t} {n}" for t, n in zip(types, names, strict=True))
        return f"static {rng.choice(INTS)} {name}({parameters})", (*body, last)

    # ------------------------------------------------------------ declarations

    def _opening(self, count: int) -> list[Stmt]:
        made = [self._side_variable() for _ in range(self._rng.randrange(2))]
        for _ in range(count):
            made += self._declaration()
        return made

    def _side_variable(self) -> Stmt:
        name = self._name("e")
        self._scope.sides.append(name)
        return Stmt(f"{self._rng.choice(INTS)} {name} = %s;", (Expr(self._expressions.number()),))

    def _declaration(self) -> list[Stmt]:
        rng, scope = self._rng, self._scope
        kind = rng.randrange(10)
        if kind < 4 or (kind < 6 and not self._types):
            name, type_ = self._name("v"), rng.choice(INTS)
            made = [Stmt(f"{type_} {name} = %s;", (self._expressions.full(),))]
            scope.ints[name] = type_
        elif kind < 6:
            made = [self._struct_variable()]
        elif kind < 8:
            made = [self._array()]
        else:
            made = self._pointer()
        return made

    def _struct_variable(self) -> Stmt:
        rng, scope = self._rng, self._scope
        struct = rng.choice(self._types)
        name = self._name("q")
        same = [other for other, type_ in scope.structs.items() if type_ == struct]
        if same and rng.random() < 0.4:
            made = Stmt(f"{struct.name} {name} = {rng.choice(same)};")
        elif rng.random() < 0.5:
            made = Stmt(f"{struct.name} {name} = {{0}};")
        else:
            plain = [each for each in struct.members if not each.count and each.struct is None]
            plain = plain[:1] if struct.name.startswith("union") else plain
            values = tuple(self._expressions.full(1) for _ in plain)
            inits = ", ".join(f".{each.name} = %s" for each in plain) or "0"
            made = Stmt(f"{struct.name} {name} = {{ {inits} }};", values)
        scope.structs[name] = struct
        return made

    def _array(self) -> Stmt:
        rng = self._rng
        name, type_, count = self._name("b"), rng.choice(IN_MEMORY), rng.choice((2, 4, 8))
        if type_ == "char" and count == 8 and rng.random() < 0.5:
            made = Stmt(f'char {name}[8] = "{rng.choice(("", "abc", "abcdefg"))}";')
        else:
            values = tuple(self._expressions.full(1) for _ in range(rng.randint(1, count)))
            made = Stmt(
                f"{type_} {name}[{count}] = {{ {', '.join('%s' for _ in values)} }};", values
            )
        self._scope.arrays[name] = (type_, count)
        return made

    def _pointer(self) -> list[Stmt]:
        rng, scope = self._rng, self._scope
        name = self._name("p")
        arrays, ints = list(scope.arrays.items()), [n for n in scope.ints if n not in scope.frozen]
        kind = rng.randrange(4)
        if kind == 0 and scope.structs:
            target = rng.choice(list(scope.structs))
            scope.views[name] = scope.structs[target]
            return [Stmt(f"{scope.structs[target].name} *{name} = &{target};")]
        if kind == 1 and arrays:
            target, (type_, count) = rng.choice(arrays)
            scope.pointers[name] = (type_, count)
            return [Stmt(f"{type_} *{name} = {target};")]
        if kind == 2 and ints:
            target = rng.choice(ints)
            same = [each for each in ints if scope.ints[each] == scope.ints[target]]
            chosen = self._expressions.full()
            scope.pointers[name] = (scope.ints[target], 1)
            head = f"{scope.ints[target]} *{name} = "
            if len(same) > 1 and rng.random() < 0.5:
                return [
                    Stmt(
                        head + f"%s ? &{target} : &{rng.choice(same)};",
                        (chosen,),
                    )
                ]
            return [Stmt(f"{head}&{target};")]
        ints = [each for each in ints if scope.ints[each] != "bool"]
        if ints:
            target = rng.choice(ints)
            scope.pointers[name] = ("u8", 1)
            return [Stmt(f"u8 *{name} = (u8 *)&{target};")]
        return []

    # ------------------------------------------------------------ statements

    def _statements(self, count: int, depth: int) -> list[Stmt]:
        made: list[Stmt] = []
        for _ in range(count):
            made += self._statement(depth)
        return made

    def _block(self, depth: int) -> tuple[Stmt, ...]:
        outer = self._expressions.scope
        self._expressions.scope = outer.inner()
        made = []
        if self._rng.random() < 0.3:
            made += self._declaration()
        made += self._statements(self._rng.randint(1, 3), depth)
        self._expressions.scope = outer
        return tuple(made)

    def _statement(self, depth: int) -> list[Stmt]:
        rng = self._rng
        kind = rng.randrange(20 if depth else 11)
        if kind < 8:
            made = self._assignment()
        elif kind == 8:
            made = [Stmt("%s;", (self._expressions.full(2),))]
        elif kind == 9:
            made = self._bytes()
        elif kind == 10:
            made = self._struct_copy()
        elif kind < 14:
            made = self._branch(depth - 1)
        elif kind < 17:
            made = self._loop(depth - 1)
        elif kind == 17:
            made = self._switch(depth - 1)
        elif kind == 18:
            made = self._goto(depth - 1)
        else:
            made = [
                Stmt("if (%s) return 77;", (Expr("(%s) == 12345", (self._expressions.full(),)),))
            ]
        return made

    def _assignment(self) -> list[Stmt]:
        rng = self._rng
        place = self._expressions.place(write=True)
        if place is None:
            return []
        if rng.random() < 0.2:
            step = rng.choice(("%s++;", "%s--;", "++%s;", "--%s;"))
            return [Stmt(step, (Expr("(%s)", (place,)),))]
        if rng.random() < 0.2:
            self._expressions.pure += 1
            value = self._expressions.full()
            self._expressions.pure -= 1
            return [Stmt(f"{rng.choice(_DIVIDE)}(%s, %s);", (place, value))]
        return [Stmt(f"%s {rng.choice(_ASSIGN)} %s;", (place, self._expressions.full()))]

    def _bytes(self) -> list[Stmt]:
        rng, scope = self._rng, self._scope
        names = [*scope.structs, *scope.arrays]
        if not names:
            return []
        name = rng.choice(names)
        if rng.random() < 0.5:
            return [Stmt(f"memset(&{name}, {rng.choice((0, 0, 0xFF))}, sizeof({name}));")]
        same = [
            n
            for n, t in scope.arrays.items()
            if name in scope.arrays and t == scope.arrays[name] and n != name
        ]
        if not same:
            return []
        other = rng.choice(same)
        if rng.random() < 0.5:
            return [Stmt(f"memcpy({name}, {other}, sizeof({name}));")]
        return (
            [Stmt(f"MIX(h, memcmp({name}, {other}, sizeof({name})) == 0);")]
            if self._expressions.has_ctx
            else []
        )

    def _struct_copy(self) -> list[Stmt]:
        rng, scope = self._rng, self._scope
        places = [(n, t) for n, t in scope.structs.items()] + [
            (f"*{n}", t) for n, t in scope.views.items()
        ]
        pairs = [(a, b) for a, t in places for b, u in places if t == u and a != b]
        if not pairs:
            return self._assignment()
        a, b = rng.choice(pairs)
        return [Stmt(f"{a} = {b};")]

    def _branch(self, depth: int) -> list[Stmt]:
        blocks = [self._block(depth) for _ in range(self._rng.choice((1, 2)))]
        return [Stmt("if (%s)", (self._expressions.full(),), tuple(blocks), "else")]

    def _loop(self, depth: int) -> list[Stmt]:
        rng = self._rng
        if self._loops >= 2:
            return self._branch(depth)
        self._loops += 1
        name, rounds = self._name("i"), rng.randint(1, 5)
        outer = self._expressions.scope
        self._expressions.scope = outer.inner()
        self._scope.ints[name] = "int"
        self._scope.frozen.add(name)
        body = self._block(depth)
        if rng.random() < 0.4:
            leave = rng.choice(("break", "continue"))
            body = (Stmt(f"if (%s) {leave};", (self._expressions.full(),)), *body)
        self._expressions.scope = outer
        self._loops -= 1
        kind = rng.randrange(3)
        if kind == 0:
            return [Stmt(f"for (int {name} = 0; {name} < {rounds}; {name}++)", (), (body,))]
        if kind == 1:
            return [Stmt(f"int {name} = {rounds};"), Stmt(f"while ({name}-- > 0)", (), (body,))]
        pragma = [Stmt("#pragma unroll")] if rng.random() < 0.3 else []
        loop = Stmt("do", (), (body,), after=f" while (++{name} < {rounds});")
        return [Stmt(f"int {name} = 0;"), *pragma, loop]

    def _switch(self, depth: int) -> list[Stmt]:
        rng = self._rng
        inside: list[Stmt] = []
        for number in range(rng.randint(1, 4)):
            inside += [Stmt(f"case {number}: ;"), Stmt("", (), (self._block(depth),))]
            if rng.random() < 0.7:
                inside.append(Stmt("break;"))
        if rng.random() < 0.6:
            inside += [Stmt("default: ;"), Stmt("", (), (self._block(depth),))]
        test = Expr("(%s) & 3", (self._expressions.full(),))
        return [Stmt("switch (%s)", (test,), (tuple(inside),))]

    def _goto(self, depth: int) -> list[Stmt]:
        label = self._name("L")
        jump = Stmt(f"if (%s) goto {label};", (self._expressions.full(),))
        return [jump, Stmt("", (), (self._block(depth),)), Stmt(f"{label}: ;")]

    # ------------------------------------------------------------ the end

    def _mixed(self) -> list[Stmt]:
        scope = self._scope
        made = [Stmt(f"MIX(h, {name});") for name in (*scope.ints, *scope.sides)]
        for name, (_, count) in scope.arrays.items():
            made += [Stmt(f"MIX(h, {name}[{number}]);") for number in range(count)]
        for name, struct in scope.structs.items():
            made += [Stmt(f"MIX(h, {name}.{path});") for path in _paths(struct)]
        made += [Stmt(f"MIX(h, *{name});") for name in scope.pointers]
        return made


def _paths(struct: Struct) -> list[str]:
    made = []
    for member in struct.members:
        if member.struct is not None:
            made += [f"{member.name}.{each}" for each in _paths(member.struct)]
        elif member.count:
            made += [f"{member.name}[{number}]" for number in range(member.count)]
        else:
            made.append(member.name)
    return made


def inputs(seed: int, number: int, count: int) -> list[tuple[int, ...]]:
    """Words for a program's context."""
    rng = random.Random(f"{seed}:{number}:inputs")  # noqa: S311 - no secrets
    edges = (
        0,
        1,
        2,
        0x7F,
        0x80,
        0xFF,
        0x7FFF,
        0x8000,
        0x7FFFFFFF,
        0x80000000,
        0xFFFFFFFF,
        1 << 63,
    )
    rows = []
    for _ in range(count):
        row = []
        for _ in range(WORDS):
            kind = rng.randrange(4)
            value = rng.choice(edges) if kind < 2 else rng.getrandbits(rng.choice((8, 32, 64)))
            row.append((-value if kind == 1 else value) & (1 << 64) - 1)
        rows.append(tuple(row))
    return rows
