"""What the parser makes of GNU C, and what it says of what is none."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import pytest
from pycparser import c_ast

from syscast.diagnostics import CompileError
from syscast.frontend.c.parse import parse
from syscast.frontend.c.preprocess import preprocess

if TYPE_CHECKING:
    from syscast.frontend.c import nodes
    from syscast.frontend.c.surroundings import Surroundings

NAME = "/virtual/main.c"
TYPES = frozenset({"u8", "u16", "u32", "u64", "s64", "size_t", "bool", "pid_t", "stats"})
FOOTER = '\nconst char _license[] = "GPL";\n'


@dataclass
class Around:
    """What a preprocessor asks of the surroundings."""

    arch: str = "x86_64"
    version_code: int = 6 << 16

    def include(self, name: str, directory: str) -> None:
        del name, directory


def tree(text: str, footer: str = FOOTER) -> c_ast.FileAST:
    done = preprocess(text, NAME, cast("Surroundings", Around()), footer=footer)
    return parse(done, TYPES.__contains__)


def body(text: str) -> list[c_ast.Node]:
    function = tree(f"int f(struct pt_regs *ctx, int a, int b, struct s *p) {{ {text} }}").ext[0]
    return list(function.body.block_items or [])


def statement(text: str) -> c_ast.Node:
    return body(text)[0]


def expression(text: str) -> c_ast.Node:
    return statement(f"a = {text};").rvalue


def drawn(node: c_ast.Node) -> str:
    """The tree as a text in brackets."""
    values = [
        str(getattr(node, name))
        for name in node.attr_names
        if getattr(node, name) not in (None, [], "", ())
    ]
    inner = [drawn(child) for _, child in node.children()]
    return f"{type(node).__name__}({', '.join([*values, *inner])})"


def error(text: str, footer: str = FOOTER) -> str:
    with pytest.raises(CompileError) as caught:
        tree(text, footer)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "min_t(u32, a, b)",
            "FuncCall(ID(min_t), ExprList(Typename(TypeDecl(IdentifierType(['u32']))), ID(a), ID(b)))",
        ),
        (
            "f(struct s *, 1)",
            "FuncCall(ID(f), ExprList(Typename(PtrDecl(TypeDecl(Struct(s)))), Constant(int, 1)))",
        ),
        ("f(u32)", "FuncCall(ID(f), ExprList(Typename(TypeDecl(IdentifierType(['u32'])))))"),
        (
            "container_of(p, struct s, m.n)",
            "FuncCall(ID(container_of), ExprList(ID(p), Typename(TypeDecl(Struct(s))), StructRef(., ID(m), ID(n))))",
        ),
        (
            "offsetof(struct s, m[1].n)",
            "FuncCall(ID(offsetof), ExprList(Typename(TypeDecl(Struct(s))), StructRef(., ArrayRef(ID(m), Constant(int, 1)), ID(n))))",
        ),
        (
            "__builtin_offsetof(struct s, m)",
            "FuncCall(ID(offsetof), ExprList(Typename(TypeDecl(Struct(s))), ID(m)))",
        ),
        ("a ?: b", "Elvis(ID(a), ID(b))"),
        ("a ? 1 : b ?: 2", "TernaryOp(ID(a), Constant(int, 1), Elvis(ID(b), Constant(int, 2)))"),
        ("({ 1; })", "StmtExpr(Compound(Constant(int, 1)))"),
        (
            "({ int x = 1; x + 1; }) * 2",
            "BinaryOp(*, StmtExpr(Compound(Decl(x, TypeDecl(x, IdentifierType(['int'])), Constant(int, 1)), BinaryOp(+, ID(x), Constant(int, 1)))), Constant(int, 2))",
        ),
        (
            "(u64)p->x",
            "Cast(Typename(TypeDecl(IdentifierType(['u64']))), StructRef(->, ID(p), ID(x)))",
        ),
        (
            "(u64){1}",
            "CompoundLiteral(Typename(TypeDecl(IdentifierType(['u64']))), InitList(Constant(int, 1)))",
        ),
        (
            "((struct s){.x = 1}).x",
            "StructRef(., CompoundLiteral(Typename(TypeDecl(Struct(s))), InitList(NamedInitializer(Constant(int, 1), ID(x)))), ID(x))",
        ),
        ("(typeof(a))1", "Cast(Typename(TypeDecl(Typeof(ID(a)))), Constant(int, 1))"),
        (
            "(__typeof__(u32 *))1",
            "Cast(Typename(TypeDecl(Typeof(Typename(PtrDecl(TypeDecl(IdentifierType(['u32']))))))), Constant(int, 1))",
        ),
        ("sizeof(struct s)", "UnaryOp(sizeof, Typename(TypeDecl(Struct(s))))"),
        (
            "sizeof(u32) + sizeof a",
            "BinaryOp(+, UnaryOp(sizeof, Typename(TypeDecl(IdentifierType(['u32'])))), UnaryOp(sizeof, ID(a)))",
        ),
        ("p->stats.u32", "StructRef(., StructRef(->, ID(p), ID(stats)), ID(u32))"),
        ("__extension__ 1", "Constant(int, 1)"),
        (
            "1ULL + 0x1fUL + 010 + 0b11",
            "BinaryOp(+, BinaryOp(+, BinaryOp(+, Constant(unsigned long long int, 1ULL), Constant(unsigned long int, 0x1fUL)), Constant(int, 010)), Constant(int, 0b11))",
        ),
        (
            "'a' + '\\n' + 'ab'",
            "BinaryOp(+, BinaryOp(+, Constant(char, 'a'), Constant(char, '\\n')), Constant(char, 'ab'))",
        ),
        ('"a" "b\\n"', 'Constant(string, "ab\\n")'),
        ('""', 'Constant(string, "")'),
        (
            "__builtin_types_compatible_p(u32, int)",
            "FuncCall(ID(__builtin_types_compatible_p), ExprList(Typename(TypeDecl(IdentifierType(['u32']))), Typename(TypeDecl(IdentifierType(['int'])))))",
        ),
        (
            "b == -1 && !a || ~a < 3 << 2",
            "BinaryOp(||, BinaryOp(&&, BinaryOp(==, ID(b), UnaryOp(-, Constant(int, 1))), UnaryOp(!, ID(a))), BinaryOp(<, UnaryOp(~, ID(a)), BinaryOp(<<, Constant(int, 3), Constant(int, 2))))",
        ),
    ],
)
def test_expressions(text: str, wanted: str) -> None:
    assert drawn(expression(text)) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "switch (a) { case 1 ... 3: b = 1; break; case 'x': default: ; }",
            "Switch(ID(a), Compound(Case(Range(Constant(int, 1), Constant(int, 3)), Assignment(=, ID(b), Constant(int, 1)), Break()), Case(Constant(char, 'x')), Default(EmptyStatement())))",
        ),
        ("goto out; out: ;", "Goto(out)"),
        ("out:", "Label(out, EmptyStatement())"),
        ("#pragma unroll\nfor (;;) ;", "Pragma(unroll)"),
        (
            'asm volatile("" : "=r"(a) : [x] "0"(b) : "memory", "cc");',
            "Asm(('memory', 'cc'), True, Operand(=r, ID(a)), Operand(x, 0, ID(b)))",
        ),
        ('__asm__ __volatile__("": : :"memory");', "Asm(('memory',), True)"),
        ('asm("nop" "; nop");', "Asm(nop; nop, False)"),
        ("__attribute__((fallthrough));", "AttributeDeclaration(Attribute(fallthrough))"),
        ('static_assert(1, "x");', 'StaticAssert(Constant(int, 1), Constant(string, "x"))'),
        (
            "for (int i = 0; i < 3; i++) a += i;",
            "For(DeclList(Decl(i, TypeDecl(i, IdentifierType(['int'])), Constant(int, 0))), BinaryOp(<, ID(i), Constant(int, 3)), UnaryOp(p++, ID(i)), Assignment(+=, ID(a), ID(i)))",
        ),
        (
            "u32 u32 = 3; u32 = u32 + 1;",
            "Decl(u32, TypeDecl(u32, IdentifierType(['u32'])), Constant(int, 3))",
        ),
        ("__auto_type x = a;", "Decl(x, TypeDecl(x, AutoType()), ID(a))"),
        ("unsigned __int128 x;", "Decl(x, TypeDecl(x, IdentifierType(['unsigned', '__int128'])))"),
        ("struct s e = {}, *q;", "Decl(e, TypeDecl(e, Struct(s)), InitList())"),
        (
            "struct s e = { .x.y[1] = 1, [0 ... 2] = 3, z: 4, };",
            "Decl(e, TypeDecl(e, Struct(s)), InitList(NamedInitializer(Constant(int, 1), ID(x), ID(y), ArrayDesignator(Constant(int, 1))), NamedInitializer(Constant(int, 3), ArrayDesignator(Range(Constant(int, 0), Constant(int, 2)))), NamedInitializer(Constant(int, 4), ID(z))))",
        ),
        (
            "static const u32 x[] = {1, 2}; ",
            "Decl(x, ['const'], ['static'], ArrayDecl(TypeDecl(x, ['const'], IdentifierType(['u32']))), InitList(Constant(int, 1), Constant(int, 2)))",
        ),
        ("T * x;", "BinaryOp(*, ID(T), ID(x))"),
    ],
)
def test_statements(text: str, wanted: str) -> None:
    assert drawn(statement(text)) == wanted


def names(attributes: list[nodes.Attribute]) -> list[str]:
    return [f"{each.name}({', '.join(map(drawn, each.args))})" for each in attributes]


@pytest.mark.parametrize(
    "text",
    [
        "__attribute__((aligned(8))) int x;",
        "int __attribute__((aligned(8))) x;",
        "static __attribute__((__aligned__(8))) const int x;",
        "int x __attribute__((aligned(8)));",
        "int x __attribute__((aligned(8))) = 3;",
        "int x[3] __attribute__((aligned(8)));",
        "int *__attribute__((aligned(8))) x;",
        "int (__attribute__((aligned(8))) x);",
        "int x(void) __attribute__((aligned(8)));",
        "typedef int x __attribute__((aligned(8)));",
        "__attribute__((aligned(8))) int x(void) { return 0; }",
        "static int __attribute__((aligned(8))) x(void) { return 0; }",
        "int a, x __attribute__((aligned(8)));",
        "int a, __attribute__((aligned(8))) x;",
    ],
)
def test_attributes_of_declarations(text: str) -> None:
    found = [each.decl if isinstance(each, c_ast.FuncDef) else each for each in tree(text, "").ext]
    assert [(each.name, names(each.attributes)) for each in found if each.name == "x"] == [
        ("x", ["aligned(Constant(int, 8))"])
    ]


@pytest.mark.parametrize(
    "text",
    [
        "struct __attribute__((packed)) s { int x; };",
        "struct s { int x; } __attribute__((packed));",
        "struct s { int x; } __attribute__((packed)) v;",
        "union s { int x; } __attribute__((__packed__));",
        "typedef struct { int x; } __attribute__((packed)) s;",
        "enum s { X } __attribute__((packed));",
    ],
)
def test_attributes_of_types(text: str) -> None:
    found = tree(text, "").ext[0].type
    while isinstance(found, c_ast.TypeDecl):
        found = found.type
    assert names(found.attributes) == ["packed()"]


def test_attributes_of_members_parameters_and_others() -> None:
    text = """
        struct s { int x:3 __attribute__((packed)), :5; char n[0]; union { int a; u64 b; }; u8 z[] __attribute__((aligned(8))); };
        int f(int a __attribute__((unused)), __attribute__((unused)) int b);
        extern int g(void) asm("llvm.bpf.extra");
        struct { u32 key; } t __attribute__((section("maps/hash"), used, deprecated("packet"), preserve_access_index));
    """
    record, function, extra, table = tree(text, "").ext
    x, unnamed, zero, union, flexible = record.type.decls
    assert names(x.attributes) == ["packed()"]
    assert (
        x.bitsize.value,
        unnamed.name,
        unnamed.bitsize.value,
        zero.type.dim.value,
        union.name,
    ) == ("3", None, "5", "0", None)
    assert (flexible.type.dim, names(flexible.attributes)) == (None, ["aligned(Constant(int, 8))"])
    assert [names(each.attributes) for each in function.type.args.params] == [
        ["unused()"],
        ["unused()"],
    ]
    assert names(extra.attributes) == ['asm(Constant(string, "llvm.bpf.extra"))']
    assert names(table.attributes) == [
        'section(Constant(string, "maps/hash"))',
        "used()",
        'deprecated(Constant(string, "packet"))',
        "preserve_access_index()",
    ]


def test_pragma_pack() -> None:
    text = "#pragma pack(push, 1)\nstruct a { int x; };\n#pragma pack(pop)\nstruct b { int x; };\n#pragma pack(2)\nstruct c { int x; };\n#pragma pack()\nstruct d { int x; };"
    found = {
        each.type.name: names(each.type.attributes)
        for each in tree(text, "").ext
        if isinstance(each, c_ast.Decl)
    }
    assert found == {
        "a": ["pack(Constant(int, 1))"],
        "b": [],
        "c": ["pack(Constant(int, 2))"],
        "d": [],
    }


def test_typedefs_of_the_text_and_of_the_kernel() -> None:
    text = "typedef int mine; enum stats { U = 1 }; struct stats { mine stats; }; int f(mine mine, u32 pid_t) { return mine * pid_t; } mine x;"
    assert [type(each).__name__ for each in tree(text, "").ext] == [
        "Typedef",
        "Decl",
        "Decl",
        "FuncDef",
        "Decl",
    ]


def test_old_c() -> None:
    assert [type(each).__name__ for each in tree("f() { return 0; };;int g(void);", "").ext] == [
        "FuncDef",
        "Decl",
    ]


def test_names_are_asked_once() -> None:
    asked: list[str] = []

    def known(name: str) -> bool:
        asked.append(name)
        return False

    done = preprocess(
        "int f(int a) { return a + g(b) + g(b); }", NAME, cast("Surroundings", Around())
    )
    parse(done, known)
    assert len(asked) == len(set(asked))
    assert {"f", "g", "b"} <= set(asked)


def test_coordinates_are_those_of_the_file() -> None:
    text = "#define F(x) (x)->sk\nint f(struct s *p) {\n  return F(p) +\n     p->port;\n}"
    done = preprocess(text, NAME, cast("Surroundings", Around()))
    found = parse(done, TYPES.__contains__).ext[0].body.block_items[0].expr
    assert str(done.places.span(found.left.coord.line, found.left.coord.column)).startswith(
        f"{NAME}:3:12"
    )
    field = found.right.field.coord
    span = done.places.span(field.line, field.column)
    assert (span.line, span.column, span.end_line, span.end_column) == (4, 9, 4, 13)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "int f(void) { int x = 1 return x; }",
            "1:24: error: expected ';' after '1', before 'return'",
        ),
        ("int f(void) { int x = 1\n}\n", "1:24: error: expected ';' after '1', before '}'"),
        ("int x = (1 + 2;", "1:15: error: expected ')' after '2', before ';'"),
        ("int a[3;", "1:8: error: expected ']' after '3', before ';'"),
        (
            "int f(void) {\n  if (1) {\n  }\n",
            "3:4: error: expected '}' after '}', before the end of the text",
        ),
        ("int f(void) {", "1:14: error: expected '}' after '{', before the end of the text"),
        ("int x", "1:6: error: expected ';' after 'x', before the end of the text"),
        ("int f(foo_t x) { return 0; }", "1:7: error: unknown type name 'foo_t'"),
        ("foo_t f(void) { return 0; }", "1:1: error: unknown type name 'foo_t'"),
        ("static foo_t *f(void) { return 0; }", "1:8: error: unknown type name 'foo_t'"),
        ("int f(void) { foo_t x; }", "1:15: error: unknown type name 'foo_t'"),
        ("struct s { int a; foo_t b; };", "1:19: error: unknown type name 'foo_t'"),
        (
            "int x\nint y;\nint f(void) { return 0; }",
            "1:6: error: expected ';' after 'x', before 'int'",
        ),
        (
            "int f(void)\nint g(void) { return 0; }",
            "1:12: error: expected ';' after ')', before 'int'",
        ),
        ("BPF_X(y);", "1:1: error: this is neither a declaration nor a function"),
        ("int f(void) { return }", "1:22: error: expected an expression before '}'"),
        ("int f(void) { f(1,); }", "1:19: error: expected an expression before ')'"),
        ("int f(void) { x = a ? b; }", "1:24: error: expected ':' before ';'"),
        ("int f(void) { else; }", "1:15: error: expected a statement before 'else'"),
        ("int f(void) { p->; }", "expected the name of a member"),
        ("int x = 08;", "1:9: error: 08 is no integer constant of C"),
        ("int x = 1lul;", "1:9: error: 1lul is no integer constant of C"),
        ("int x = 1.2.3;", "1:9: error: 1.2.3 is no number of C"),
        (
            "int x = 'a;",
            "1:9: error: a character constant begins here and does not end on its line",
        ),
        ('char *x = "a;', "1:11: error: a string begins here and does not end on its line"),
        ("int x@;", "1:6: error: '@' has no meaning in C"),
        ("int x\0;", "1:6: error: a character '\\x00' in the text"),
        ("int f(void) { } }", "1:17: error: expected a name before '}'"),
        ("struct { int x }", "1:15: error: expected ';' after 'x', before '}'"),
        ("enum { A B };", "1:9: error: expected '}' after 'A', before 'B'"),
        ("typedef int; int int x;", "error: "),
        ("int f( { }", "1:8: error: expected a name before '{'"),
        (
            "#define M(x) f(x;\nint g(void) { return M(1); }",
            "2:25: error: expected ')' after '1', before ';'",
        ),
    ],
)
def test_errors(text: str, message: str) -> None:
    assert message in error(text)


@pytest.mark.parametrize(
    "text",
    [
        "int x = " + "(" * 5000 + "1" + ")" * 5000 + ";",
        "int x = " + "-" * 5000 + "1;",
        "int f(void) " + "{" * 5000 + "}" * 5000,
        "int f(void) { " + "if (1) {} else { " * 5000 + "}" * 5000 + " }",
        "int f(void) { " + "if (1) " * 5000 + "; }",
        "int x = " + "1 ? 2 : " * 5000 + "3;",
        "int f(void) { " + "a = " * 5000 + "1; }",
        "int " + "(" * 5000 + "x" + ")" * 5000 + ";",
        "struct a { " * 5000 + "}; " * 5000,
        "int x[] = " + "{" * 5000 + "}" * 5000 + ";",
        "int x = " + "({ " * 5000 + "1; " + "}) " * 5000 + ";",
        "int f(" + "int (*)(" * 5000 + ")" * 5000 + ");",
        "int f(" * 5000 + ")" * 5000 + ";",
        "int x = " + "(typeof(" * 5000 + "1" + "))1" * 5000 + ";",
        "int x = " + "f(" * 5000 + ")" * 5000 + ";",
        "int x = a" + "[1" * 5000 + "]" * 5000 + ";",
    ],
)
def test_depth_is_bounded(text: str) -> None:
    begin = time.monotonic()
    limit = sys.getrecursionlimit()
    assert "nested more than 256 deep" in error(text)
    assert sys.getrecursionlimit() == limit
    assert time.monotonic() - begin < 10


def test_what_is_not_nested_has_no_bound() -> None:
    assert len(body("a = " + " + ".join("1" * 3000) + ";")) == 1
    assert len(body("a = f(1);" * 3000)) == 3000
    assert len(body("*p->x" + ".y[1]" * 200 + ";")) == 1
    assert len(body("if (a) { " * 100 + "}" * 100)) == 1
    assert len(body("if (a) b = 1; else " * 3000 + "a = 2;")) == 1


def test_an_else_belongs_to_the_last_if() -> None:
    outer = statement("if (a) if (b) ; else if (p) a = 1; else a = 2;")
    assert outer.iffalse is None
    last = outer.iftrue.iffalse
    assert (outer.iftrue.cond.name, last.cond.name) == ("b", "p")
    assert last.iffalse.rvalue.value == "2"
    assert statement("if (a) { if (b) ; } else if (p) ;").iffalse.cond.name == "p"


def test_a_type_that_is_tried_twice_does_not_take_time_twice_a_level() -> None:
    text = "int x = " + "(typeof(({ " * 60 + "1" + "; }))){0}" * 60 + ";"
    begin = time.monotonic()
    tree(text)
    assert time.monotonic() - begin < 5


def test_two_thousand_lines_take_less_than_a_second() -> None:
    function = """
static int f{n}(struct pt_regs *ctx, u32 a) {{
    u64 ts = bpf_ktime_get_ns(), x = ADD(a, {n});
    struct data_t data = {{.a = 1, .b = ts}};
    if (x > MAX && !(a & 0x1)) {{
        data.a += foo(&x, sizeof(x), (void *)ctx->di);
        for (int i = 0; i < 10; i++) {{ data.b[i] = ts - i * 3; }}
    }}
    return x ? 0 : data.a->b.c;
}}
"""
    text = "#define MAX 10\n#define ADD(a, b) ((a) + (b))\n" + "".join(
        function.format(n=n) for n in range(222)
    )
    assert text.count("\n") >= 2000
    begin = time.process_time()
    assert len(tree(text, "").ext) == 222
    assert time.process_time() - begin < 2  # half a second on an idle machine
