"""Statements outside the language; each has a golden file with what its user reads."""

import syscast as sc
from syscast import current


class Small(sc.Event):
    value: sc.u8


def unpack_a_number(sock, backlog):
    a, b = backlog


def assert_message(sock, backlog):
    assert backlog > 0, f"{backlog}"


def assert_a_struct(sock, backlog):
    assert sock.sk.skc_v6_rcv_saddr


def delete_member(sock, backlog):
    del sock.state


def delete_unassigned(sock, backlog):
    if backlog:
        x = 1
    del x


def read_after_delete(sock, backlog):
    x = 1
    del x
    return Small(value=x)


def walrus_not_evaluated(sock, backlog):
    if backlog > 3 and (n := backlog) < 9:
        pass
    return Small(value=n)


def match_class(sock, backlog):
    match backlog:
        case int(x):
            return Small(value=1)


def match_mapping(sock, backlog):
    match backlog:
        case {"a": 1}:
            return Small(value=1)


def match_sequence(sock, backlog):
    match backlog:
        case [1, 2]:
            return Small(value=1)


def match_rest(sock, backlog):
    match (backlog, sock.type):
        case (1, *rest):
            return Small(value=1)


def match_captured_alternative(sock, backlog):
    match (backlog, sock.type):
        case (1, x) | (x, 1):
            return Small(value=1)


def match_true(sock, backlog):
    match backlog:
        case True:
            return Small(value=1)


def match_float(sock, backlog):
    match backlog:
        case 1.5:
            return Small(value=1)


def match_long_text(sock, backlog):
    match current.comm:
        case "sh" | "a name that is too long for comm":
            return Small(value=1)


def match_half_assigned(sock, backlog):
    match backlog:
        case 1:
            x = 1
        case 2:
            x = 2
    return Small(value=x)
