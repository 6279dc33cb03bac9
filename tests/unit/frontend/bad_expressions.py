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
