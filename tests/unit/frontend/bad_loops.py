"""Loops outside the language; each has a golden file with what its user reads."""

import syscast as sc
from syscast import bounded, current, list_entries

PORTS = [80, 443]
NAMES = {"sh": 1}
SET = {1, 2}
MANY = tuple(range(100))


class Small(sc.Event):
    value: sc.u8


def endless_while(sock, backlog):
    while True:
        backlog += 1


def unbounded_while(sock, backlog):
    while backlog > 0:
        backlog = backlog * 3 // 4


def while_without_step(sock, backlog):
    i = 0
    while i < 10:
        if backlog > 3:
            continue
        i += 1


def while_wrong_way(sock, backlog):
    i = 0
    while i < 10:
        i -= 1


def while_moving_end(sock, backlog):
    i, end = 0, 10
    while i < end:
        i += 1
        end += 1


def while_negative_shift(sock, backlog):
    n = backlog
    while n:
        n >>= 1


def range_without_limit(sock, backlog):
    for i in range(backlog):
        pass


def range_of_flags(sock, backlog):
    for i in range(sock.flags, 5, -1):
        pass


def range_too_long(sock, backlog):
    for i in range(10_000_000):
        pass


def range_step_zero(sock, backlog):
    for i in range(1, 5, 0):
        pass


def range_float_step(sock, backlog):
    for i in range(0, 1, 0.1):
        pass


def range_unknown_step(sock, backlog):
    for i in range(0, 10, backlog):
        pass


def range_no_arguments(sock, backlog):
    for i in range():
        pass


def for_over_list(sock, backlog):
    for port in PORTS:
        pass


def for_over_dict(sock, backlog):
    for name in NAMES:
        pass


def for_over_set(sock, backlog):
    for each in SET:
        pass


def for_over_long_tuple(sock, backlog):
    for each in MANY:
        pass


def for_over_number(sock, backlog):
    for each in backlog:
        pass


def for_over_pointer(sock, backlog):
    for each in sock:
        pass


def for_over_struct(sock, backlog):
    for each in sock.sk.skc_v6_rcv_saddr:
        pass


def for_over_string(sock, backlog):
    for each in current.comm:
        pass


def for_over_characters(sock, backlog):
    for each in current.task.comm:
        pass


def for_over_map_call(sock, backlog):
    for each in map(int, (1, 2)):
        pass


def unpacked_number(sock, backlog):
    for each, other in range(3):
        pass


def bounded_without_limit(sock, backlog):
    for i in bounded(range(backlog)):
        pass


def bounded_by_variable(sock, backlog):
    for i in bounded(range(backlog), limit=backlog):
        pass


def bounded_elsewhere(sock, backlog):
    x = bounded(backlog > 1, limit=3)
    return Small(value=1)


def loop_variable_behind(sock, backlog):
    for i in range(backlog & 7):
        pass
    return Small(value=i)


def assigned_in_loop_only(sock, backlog):
    for i in bounded(range(backlog), limit=5):
        x = i
    return Small(value=x)


def read_in_next_round(sock, backlog):
    for i in range(5):
        if i > 0:
            backlog = x
        x = i


def deleted_in_loop(sock, backlog):
    x = 1
    for i in range(5):
        backlog = x
        del x


def error_in_body(sock, backlog):
    for i in range(5):
        x = sock.nothing
        y = backlog.nothing


def else_of_while(sock, backlog):
    while backlog:
        pass
    else:
        x = sock.nothing


def list_without_limit(sock, backlog):
    for each in list_entries(sock.sk, "struct sock", "sk_node"):
        pass


def list_of_no_head(sock, backlog):
    for each in list_entries(sock.file, "struct entry", "link", limit=4):
        pass


def list_unknown_struct(sock, backlog):
    for each in list_entries(sock.file.entries, "struct entri", "link", limit=4):
        pass


def list_unknown_member(sock, backlog):
    for each in list_entries(sock.file.entries, "struct entry", "lnik", limit=4):
        pass


def list_member_no_link(sock, backlog):
    for each in list_entries(sock.file.entries, "struct entry", "number", limit=4):
        pass


def yield_in_loop(sock, backlog):
    for i in range(3):
        yield


def repeated_too_often(sock, backlog):
    n = 0
    for a in tuple_of_60:
        for b in tuple_of_60:
            for c in tuple_of_60:
                for d in tuple_of_60:
                    n += a + b + c + d
    return Small(value=n & 1)


tuple_of_60 = tuple(range(60))
