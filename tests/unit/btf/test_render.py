import pytest

from syscast.btf.encode import BtfBuilder
from syscast.btf.lookup import Btf
from syscast.btf.render import declaration, signature, struct_lines, type_name
from syscast.btf.types import (
    Array,
    Const,
    Enum,
    Func,
    FuncProto,
    Fwd,
    Param,
    Ptr,
    Restrict,
    Struct,
    Typedef,
    TypeTag,
    Volatile,
)
from syscast.errors import FormatError, TargetError


def test_signatures(small):
    sock = small.sock()
    text = small.add(Ptr(small.add(Const(small.char))))
    small.function("nothing", returns=0)
    small.function("_printk", ("fmt", text))
    variadic = small.add(FuncProto(small.int, (Param("fmt", text),), variadic=True))
    operation = small.add(Ptr(variadic))
    small.function("register_it", ("op", operation), ("sk", small.add(Ptr(small.add(Ptr(sock))))))
    btf = small.btf()
    assert [signature(btf, func_id) for func_id in btf.ids(Func)] == [
        "int inet_listen(struct sock *sk, int backlog)",
        "int inet_bind(struct sock *sk)",
        "void nothing(void)",
        "int _printk(const char *fmt)",
        "int register_it(int (*op)(const char *fmt, ...), struct sock **sk)",
    ]
    with pytest.raises(TargetError, match="not a function"):
        signature(btf, sock)


def test_declarations(small):
    add = small.add
    function = add(FuncProto(0, (Param("", small.int),)))
    cases = {
        add(Array(small.char, small.int, 16)): ("char[16]", "char x[16]"),
        add(Array(add(Array(small.int, small.int, 3)), small.int, 0)): ("int[][3]", "int x[][3]"),
        add(Ptr(add(Array(small.int, small.int, 3)))): ("int (*)[3]", "int (*x)[3]"),
        add(Array(add(Ptr(function)), small.int, 2)): (
            "void (*[2])(int)",
            "void (*x[2])(int)",
        ),
        add(Const(add(Ptr(add(Const(small.char)))))): ("const char *const", "const char *const x"),
        add(Ptr(add(TypeTag("user", small.char)))): ("char __user *", "char __user *x"),
        add(Restrict(add(Ptr(0)))): ("void *restrict", "void *restrict x"),
        add(Volatile(add(Const(small.int)))): ("const volatile int", "const volatile int x"),
        add(Ptr(add(Ptr(function)))): ("void (**)(int)", "void (**x)(int)"),
        add(Typedef("t", small.int)): ("t", "t x"),
        add(Fwd("f", is_union=True)): ("union f", "union f x"),
        add(Enum("e", 4, ())): ("enum e", "enum e x"),
        add(Enum("", 4, ())): ("enum {...}", "enum {...} x"),
        add(Struct("", 4, ())): ("struct {...}", "struct {...} x"),
        add(TypeTag("noderef", small.int, attribute=True)): (
            "int __attribute__((noderef))",
            "int __attribute__((noderef)) x",
        ),
        0: ("void", "void x"),
    }
    btf = small.btf()
    assert {i: (type_name(btf, i), declaration(btf, i, "x")) for i in cases} == cases


def test_struct_lines(small):
    sock = small.sock()
    btf = small.btf()
    lines = struct_lines(btf, sock)
    assert [" ".join(line.split()) for line in lines] == [
        "struct sock {",
        "struct sock_common __sk_common; /* 0 16 */",
        "int from; /* 16 4 */",
        "char sk_name[16]; /* 20 16 */",
        "unsigned long sk_data[]; /* 64 0 */",
        "}; /* size 64 */",
    ]
    assert [" ".join(line.split()) for line in struct_lines(btf, sock, 2)][1:14] == [
        "struct sock_common {",
        "unsigned long skc_hash; /* 0 8 */",
        "union {",
        "int skc_portpair; /* 8 4 */",
        "struct {",
        "unsigned short skc_dport; /* 8 2 */",
        "unsigned short skc_num; /* 10 2 */",
        "}; /* 8 4 */",
        "}; /* 8 4 */",
        "unsigned char skc_reuse:4; /* 12:0 */",
        "unsigned char skc_reuseport:1; /* 12:4 */",
        "} __sk_common; /* 0 16 */",
        "int from; /* 16 4 */",
    ]
    assert struct_lines(btf, btf.find("sock_t", Typedef)) == lines
    with pytest.raises(TargetError, match="type 'int': render: it is not a struct"):
        struct_lines(btf, small.int)


def test_endless_types_are_refused():
    builder = BtfBuilder()
    pointer = builder.reserve()
    builder.define(pointer, Ptr(pointer))
    proto = builder.reserve()
    builder.define(proto, FuncProto(0, (Param("p", proto),)))
    struct = builder.reserve()
    builder.define(struct, Struct("s", 8, ()))
    btf = Btf.from_bytes(builder.encode())
    for type_id in (pointer, proto):
        with pytest.raises(FormatError, match="too large or endless"):
            type_name(btf, type_id)


def test_types_that_unfold_exponentially_are_refused():
    builder = BtfBuilder()
    proto = builder.add(FuncProto(0, ()))
    for _ in range(40):
        pointer = builder.add(Ptr(proto))
        proto = builder.add(FuncProto(0, (Param("a", pointer), Param("b", pointer))))
    btf = Btf.from_bytes(builder.encode())
    with pytest.raises(FormatError, match="too large or endless"):
        type_name(btf, proto)
