"""Programs outside the language; each has a golden file with what its user reads."""

import syscast as sc
from syscast import current, now, u16, u32
from syscast.kernel import file

LIMITS = [1, 2, 3]
RATIO = 0.5
HUGE = 1 << 70


class Listen(sc.Event):
    addr: sc.IPv4
    port: u16
    backlog: u32


class Name(sc.Event):
    name: str


class Small(sc.Event):
    value: sc.u8


def float_literal(sock, backlog):
    return Small(value=1.5)


def float_division(sock, backlog):
    return Small(value=backlog / 2)


def captured_float(sock, backlog):
    if backlog > RATIO:
        return None


def captured_list(sock, backlog):
    if backlog in LIMITS:
        return None


def captured_huge(sock, backlog):
    if backlog > HUGE:
        return None


def unknown_field(sock, backlog):
    return Listen(addr=sock.sk.skc_rcv_sadr, port=1, backlog=2)


def unknown_name(sock, backlog):
    return Small(value=backlogg)


def unknown_call(sock, backlog):
    frobnicate(backlog)


def field_of_int(sock, backlog):
    return Small(value=backlog.value)


def field_of_struct_value(sock, backlog):
    return Small(value=sock.sk.__sk_common)


def too_many_arguments(sock, backlog, third):
    return None


def keyword_argument(sock, *, backlogs):
    return None


def star_argument(*everything):
    return None


def default_argument(sock, backlog=5):
    return None


def wrong_annotation(sock: file, backlog):
    return None


def ret_at_entry(sock, backlog, ret):
    return None


def event_field_missing(sock, backlog):
    return Listen(port=1, backlog=backlog)


def event_field_misspelt(sock, backlog):
    return Listen(addr=sock.sk.skc_rcv_saddr, prt=1, backlog=backlog)


def event_positional(sock, backlog):
    return Listen(1, 2, 3)


def event_constant_too_big(sock, backlog):
    return Small(value=256)


def empty_tuple_in_a_variable(sock, backlog):
    nothing = ()
    return nothing


def event_nowhere(sock, backlog):
    Small(value=1)


def event_pointer_in_int(sock, backlog):
    return Small(value=sock)


def event_int_in_str(sock, backlog):
    return Name(name=backlog)


def event_int_in_address(sock, backlog):
    return Listen(addr=sock, port=1, backlog=1)


def returns_int(sock, backlog):
    return backlog


def comprehension(sock, backlog):
    x = [i for i in range(backlog)]


def try_statement(sock, backlog):
    try:
        pass
    except ValueError:
        pass


def with_statement(sock, backlog):
    with open("x") as f:
        pass


def for_over_name(sock, backlog):
    for i in sock.type:
        pass


def while_loop(sock, backlog):
    while backlog:
        pass


def nested_function(sock, backlog):
    def inner():
        pass


def global_statement(sock, backlog):
    global RATIO


def import_statement(sock, backlog):
    import os


def prints(sock, backlog):
    print(backlog)


def lambda_expression(sock, backlog):
    f = lambda: 1


def string_never_equal(sock, backlog):
    if current.comm == "a name that is too long for comm":
        return Small(value=1)


def string_ordering(sock, backlog):
    if current.comm < "a":
        return Small(value=1)


def unassigned(sock, backlog):
    if backlog > 1:
        x = 1
    return Small(value=x)


def two_shapes(sock, backlog):
    x = backlog
    x = sock
    return None


def writes_kernel(sock, backlog):
    sock.state = 1


def yield_in_if(sock, backlog):
    if backlog:
        yield


def yield_value(sock, backlog):
    ret = yield backlog


def two_yields(sock, backlog):
    yield
    yield


def always_zero_division(sock, backlog):
    return Small(value=1 // 0)


def power(sock, backlog):
    return Small(value=2**backlog)


def pointer_arithmetic(sock, backlog):
    return Small(value=sock + 1)


def pointer_order(sock, backlog):
    if sock > sock.sk:
        return None


def is_number(sock, backlog):
    if backlog is sock.type:
        return None


def void_member(sock, backlog):
    return Small(value=sock.file.private_data.x)


def bad_cast(sock, backlog):
    x = cast_to(sock)


def cast_unknown(sock, backlog):
    return Small(value=sc.cast("struct sokc", sock).state)


def user_str_of_struct(sock, backlog):
    return Name(name=sc.user_str(sock))


def user_str_capacity(sock, backlog):
    return Name(name=sc.user_str(sock, backlog))


def emit_value(sock, backlog):
    x = sc.emit(Small(value=1))


def emit_number(sock, backlog):
    sc.emit(backlog)


def current_unknown(sock, backlog):
    return Small(value=current.pidd)


def starred_unpack(sock, backlog):
    a, *b = 1, 2, 3


def unpack_count(sock, backlog):
    a, b = 1, backlog, 3


def index_outside(sock, backlog):
    return Small(value=current.task.comm[99])


def several_errors(sock, backlog):
    a = sock.skk
    b = 1.5
    c = a + b
    for i in range(backlog):
        pass
    return Listen(addr=c, port=now())


def local_read_before_assignment(sock, backlog):
    x = RATIO
    RATIO = 3
    return Small(value=x)


def name_of_another_place(backlog, sock):
    return Small(value=backlog)


def constant_identity(sock, backlog):
    if HUGE is HUGE:
        return Small(value=1)


def text_annotation_of_number(sock, backlog: str):
    return Small(value=1)


def struct_annotation_of_number(sock, backlog: file):
    return Small(value=1)


def number_annotation_of_pointer(sock: int, backlog):
    return Small(value=backlog)
