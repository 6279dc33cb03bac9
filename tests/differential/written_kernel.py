"""Probes that loop over what the kernel holds, for tests/kernel/test_loops."""

from written import Out

from syscast import bounded, current, emit, list_entries

WORDS = 20


def children(a, b):
    for task in list_entries(current.task.children, "struct task_struct", "sibling", limit=64):
        emit(Out(a=task.pid, b=task.tgid))
    return Out(a=-1)


def sixteen_children(a, b):
    for task in list_entries(current.task.children, "struct task_struct", "sibling", limit=16):
        emit(Out(a=task.pid, b=task.tgid))
    return Out(a=-1)


def few_children(a, b):
    n = 0
    for task in list_entries(current.task.children, "struct task_struct", "sibling", limit=2):
        n += 1
    return Out(a=n)


def first_child(a, b):
    for task in list_entries(current.task.children, "struct task_struct", "sibling", limit=1000):
        if task.comm == "sleep":
            return Out(a=task.pid)
    return Out(a=-1)


def limits(a, b):
    for each in current.task.signal.rlim:
        emit(Out(a=each.rlim_cur >> 1, b=each.rlim_max & 1))


def auxiliary(a, b):
    for number, word in enumerate(current.task.mm.saved_auxv):
        if number == WORDS:
            break
        emit(Out(a=word >> 1, b=number))


def auxiliary_by_number(a, b):
    words = current.task.mm.saved_auxv
    for i in range(min(a, WORDS)):
        emit(Out(a=words[i] >> 1, b=i))


def auxiliary_entry(a, b):
    i = 0
    while i < 40:
        if current.task.mm.saved_auxv[i] == a:
            return Out(a=current.task.mm.saved_auxv[i + 1] >> 1, b=i)
        i += 2
    return Out(a=-1)


def ancestors(a, b):
    task = current.task
    depth = 0
    while bounded(task.pid > 1, limit=64):
        task = task.real_parent
        depth += 1
    return Out(a=depth, b=task.pid)


def ancestor_named(a, b):
    task = current.task
    for depth in range(24):
        if task.comm == "no such name":
            return Out(a=depth)
        task = task.real_parent
    return Out(a=-1)


def inline_branches(a, b):
    odd = even = 0
    for i in range(500):
        if i & 1:
            odd += a
        elif i % 3 == 0:
            even += 1
        else:
            even += b
    return Out(a=odd, b=even)


def inline_extremes(a, b):
    low, high = 1 << 40, -1
    for i in range(40):
        x = (i * 7 + (a & 63)) % 41
        if x < low:
            low = x
        if x > high:
            high = x
    return Out(a=low, b=high)
