"""Expressions outside the language; each function has a golden file with what its user reads."""

import syscast as sc

NAMES = {1: "one"}


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
