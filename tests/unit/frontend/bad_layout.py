"""Rejected programs whose lines are laid out in ways that a caret may trip over."""

import syscast as sc
from syscast import current


class Two(sc.Event):
    first: sc.u32
    second: sc.u32


def over_several_lines(sock, backlog):
    return Two(
        first=backlog,
        second=(
            backlog
            / 2
        ),
    )


def call_over_several_lines(sock, backlog):
    return Two(
        first=backlog,
    )


def behind_tabs(sock, backlog):
	if backlog:
		return Two(first=1,	second=backlgo)


def behind_wide_characters(sock, backlog):
    return Two(first="端口" == current.comm, second=backlog.端口)


def behind_an_accent(sock, backlog):
    größe = backlog; return Two(first=größe, second=größ)


def on_a_long_line(sock, backlog):
    return Two(first=backlog + 1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9 + 10 + 11 + 12 + 13 + 14 + 15 + 16 + 17 + 18 + 19, second=sock.statee + 1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9 + 10 + 11 + 12 + 13 + 14 + 15 + 16)


def behind_a_form_feed(sock, backlog):
    x = 1

    return Two(first=x, second=1.5)


def two_on_one_line(sock, backlog):
    return Two(first=sock.statee, second=backlgo)
