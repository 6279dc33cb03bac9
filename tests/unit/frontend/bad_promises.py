"""Programs whose annotations, parameters or statements say one thing and do another."""

from collections.abc import Generator
from typing import Optional

import syscast as sc
from syscast import current
from syscast.kernel import file, socket


class Listen(sc.Event):
    port: sc.u16
    backlog: sc.u32


class Name(sc.Event):
    name: str


def returns_annotated_number(sock, backlog) -> int:
    return Listen(port=1, backlog=backlog)


def returns_annotated_text(sock, backlog) -> "str | None":
    return Name(name=current.comm)


def returns_annotated_list(sock, backlog) -> list[Listen]:
    return Listen(port=1, backlog=backlog)


def returns_other_event(sock, backlog) -> Listen | None:
    if backlog > 5:
        return Listen(port=1, backlog=backlog)
    return Name(name=current.comm)


def returns_event_where_none_is_promised(sock, backlog) -> None:
    return Name(name=current.comm)


def returns_optional_other(sock, backlog) -> Optional[Listen]:
    return Name(name=current.comm)


def generator_annotated_as_event(sock, backlog) -> Listen:
    yield
    return Listen(port=1, backlog=backlog)


def annotated_as_generator_without_yield(sock, backlog) -> Generator[None, int, Listen]:
    return Listen(port=1, backlog=backlog)


def generator_returns_other_event(sock, backlog) -> Generator[None, int, Listen]:
    yield
    return Name(name=current.comm)


def promises_and_more(sock: file, backlog: int) -> int:
    x = 1.5
    return Listen(port=x, backlog=backlg)


def wrong_parameter_and_body(sock, backlog, third):
    x = third + 1
    y = 2.5
    return Listen(port=x, backlog=nothing_of_this_name)


def both_parameters_wrong(sock: file | None, backlog: str):
    sock.f_pos
    return Listen(port=backlog, backlog=1.5)


def list_display(sock, backlog):
    x = [1, 2]


def dict_display(sock, backlog):
    x = {"a": backlog}


def set_comprehension(sock, backlog):
    x = {i for i in (1, 2)}


def generator_expression(sock, backlog):
    x = sum(i for i in (1, 2))


def raises(sock, backlog):
    raise ValueError("no")


def awaits(sock, backlog):
    x = yield from backlog


def class_inside(sock, backlog):
    class Inside(sc.Event):
        port: sc.u16


def nonlocal_statement():
    count = 0

    def probe(sock, backlog):
        nonlocal count
        count += 1

    return probe


nonlocal_statement = nonlocal_statement()


def star_keywords(**everything):
    return None


def event_with_star(sock, backlog):
    return Listen(**{"port": 1})


def event_several_missing(sock, backlog):
    return Listen()


def event_field_unlike_any(sock, backlog):
    return Listen(port=1, backlog=2, zzz=3)


def event_text_too_long(sock, backlog):
    return Name(name="x" * 130)


def bool_has_no_members(sock, backlog):
    return Name(name=(backlog > 1).name)


def declaration_only(sock, backlog):
    x: int


def opens_a_file(sock, backlog):
    open("/tmp/x")


def user_str_too_large(sock, backlog):
    return Name(name=sc.user_str(sock.file, 5000))


def cast_to_nothing(sock, backlog):
    return Listen(port=sc.cast(backlog, sock).x, backlog=1)


def cast_of_text(sock, backlog):
    return Listen(port=sc.cast("struct sock", current.comm).skc_num, backlog=1)


def subscript_of_number(sock, backlog):
    return Listen(port=backlog[0], backlog=1)


def struct_of_current(sock: socket, backlog):
    return Listen(port=current.task, backlog=1)
