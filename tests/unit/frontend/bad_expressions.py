"""Expressions outside the language; each function has a golden file with what its user reads."""

import syscast as sc
from syscast import current

NAMES = {1: "one"}


class Name(sc.Event):
    name: str


class Small(sc.Event):
    value: sc.u8


def cast_never_fits(sock, backlog):
    return Small(value=sc.u8(256))


def membership_in_number(sock, backlog):
    if 5 in backlog:
        return


def membership_step_zero(sock, backlog):
    if backlog in range(0, 10, 0):
        return


def min_of_one(sock, backlog):
    return Small(value=min(backlog))


def min_of_nothing(sock, backlog):
    return Small(value=min(()))


def int_of_text(sock, backlog):
    return Small(value=int("12", backlog))


def captured_dict(sock, backlog):
    if backlog in NAMES:
        return


def text_of_struct(sock, backlog):
    if current.comm == sock.sk:
        return None


def text_plus(sock, backlog):
    return Name(name=current.comm + "x")


def prefix_too_long(sock, backlog):
    if current.comm.startswith("a command of more than 15 bytes"):
        return None


def prefix_not_constant(sock, backlog):
    if current.comm.endswith(sock.file.f_path):
        return None


def needle_not_constant(sock, backlog):
    if current.comm in current.task.comm:
        return None


def needle_too_long(sock, backlog):
    if "sixteen bytes is" in current.comm:
        return None


def text_index_outside(sock, backlog):
    return Name(name=current.comm[15])


def text_step(sock, backlog):
    return Name(name=current.comm[::2])


def slice_of_pointer(sock, backlog):
    return Name(name=sock.file.f_path[:3])


def length_of_number(sock, backlog):
    return Small(value=len(backlog))


def text_method_unknown(sock, backlog):
    return Small(value=current.comm.upper())


def cast_to_number(sock, backlog):
    return Small(value=sc.cast("unsigned int", sock))


def cast_to_pointers(sock, backlog):
    return Small(value=sc.cast("struct sock **", sock)[0].sk_protocol)


def container_of_other_member(sock, backlog):
    return Small(value=sc.container_of(sock.sk, "struct socket", "state").type)


def container_of_no_member(sock, backlog):
    return Small(value=sc.container_of(sock.sk, "struct socket", "skk").type)


def container_of_bits(sock, backlog):
    return Small(value=sc.container_of(sock.file, "struct sock", "sk_bits").sk_protocol)


def enumerator_unknown(sock, backlog):
    if sock.state == sc.enum("socket_state").SS_CONECTED:
        return None


def enum_unknown(sock, backlog):
    if sock.state == sc.enum("socket_stat").SS_BOUND:
        return None


def enum_of_variable(sock, backlog):
    if sock.state == sc.enum(backlog).SS_FREE:
        return None


def pointers_of_two_types(sock, backlog):
    either = sock.sk if backlog else sock.file
    return Small(value=either.sk_protocol)


def none_first(sock, backlog):
    either = None if backlog else sock.sk
    return Small(value=either.sk_protocol)


def text_or_number(sock, backlog):
    return Name(name=current.comm or backlog)


def format_of_pointer(sock, backlog):
    return Name(name=f"{sock.sk}")


def format_of_struct(sock, backlog):
    return Name(name=f"{sock.sk.__sk_common}")


def format_float(sock, backlog):
    return Name(name=f"{backlog:.2f}")


def format_grouping(sock, backlog):
    return Name(name=f"{backlog:,}")


def format_octal(sock, backlog):
    return Name(name=f"{backlog:o}")


def format_width_varies(sock, backlog):
    return Name(name=f"{backlog:{backlog}}")


def format_repr_of_text(sock, backlog):
    return Name(name=f"{current.comm!r}")


def format_text_as_number(sock, backlog):
    return Name(name=f"{current.comm:05}")


def format_too_long(sock, backlog):
    return Name(name=f"{sc.kernel_str(sock.file.f_path, 4096)}{backlog}")


def text_that_grows(sock, backlog):
    name = current.comm
    name = f"{name}{backlog}"
    return Name(name=name)


def path_of_number(sock, backlog):
    return Name(name=sc.path_of(backlog))


def path_capacity(sock, backlog):
    return Name(name=sc.path_of(sock.file, 8))


def path_capacity_varies(sock, backlog):
    return Name(name=sc.path_of(sock.file, backlog))


RAW = (b"bash", "sh")


def text_equals_bytes(sock, backlog):
    if current.comm == b"bash" or "bash" == b"bash":
        return None


def bytes_among_texts(sock, backlog):
    if current.comm in RAW:
        return None


def text_among_bytes(sock, backlog):
    if "a" in (b"a", b"\xff"):
        return None


def bytes_in_text(sock, backlog):
    if b"ba" in current.comm:
        return None


def starts_with_bytes(sock, backlog):
    if current.comm.startswith(("a", b"b")):
        return None


def matches_bytes(sock, backlog):
    match current.comm:
        case b"bash":
            return None


def mixed_variable(sock, backlog):
    x = 1
    if sock:
        x = backlog > 1
    return Name(name=f"{x}")


def mixed_through_others(sock, backlog):
    x = 1
    for _ in range(3):
        y = x
        x = backlog > 1
    return Name(name=f"{(y, 2)[0]!s:>5}")


def mixed_by_least(sock, backlog):
    return Name(name=str(min(backlog > 1, 5)))


def _mixed(x):
    if x > 5:
        return True
    return 7


def mixed_by_call(sock, backlog):
    return Name(name=f"{_mixed(backlog)}")


def mixed_by_choice(sock, backlog):
    return Name(name=f"{2 if sock else backlog > 1}")
