"""Functions of the probe language for test_loops."""

from written import Out

from syscast import bounded, current, emit

STEPS = (1, 2, 4)
NAMES = ("sh", "bash", "python3")
SIZE = 20
SPAN = range(3, 30, 7)


def counts(a, b):
    total = 0
    for i in range(10):
        total += i * a
    return Out(a=total, b=i)


def counts_down(a, b):
    for i in range(10, 0, -3):
        emit(Out(a=i, b=a))


def never(a, b):
    n = 7
    for i in range(5, 5):
        n = i
    else:
        n += 1
    return Out(a=n)


def large_step(a, b):
    total = 0
    for i in range(0, 1 << 40, 1 << 38):
        total += i
    return Out(a=total, b=i)


def up_to_n(a, b):
    total = 0
    for i in range(min(a, 64)):
        total += i
    return Out(a=total)


def masked(a, b):
    n = 0
    for i in range(a & 15, b & 31):
        n = n * 3 + i
        if n > 1_000_000:
            n -= 1_000_000
    return Out(a=n)


def modulo(a, b):
    last = -1
    for i in range(a % 20, -5, -2):
        last = i
    return Out(a=last)


def narrowed(a, b):
    if a < 0 or a > SIZE:
        return Out(a=-1)
    n = 0
    for _ in range(a):
        n += 2
    return Out(a=n)


def stated(a, b):
    n = 0
    for i in bounded(range(a), limit=16):
        n += i
    return Out(a=n)


def stated_steps(a, b):
    n = 0
    for i in bounded(range(b, a, 3), 8):
        n += i
    return Out(a=n)


def stated_constant(a, b):
    for i in bounded(range(1000), limit=5):
        if i >= a:
            return Out(a=i)


def breaks(a, b):
    for i in range(20):
        if i * i > a:
            break
    else:
        return Out(a=-1)
    return Out(a=i)


def continues(a, b):
    n = 0
    for i in range(12):
        if i & 1:
            continue
        if i == b:
            break
        n += i + a
    return Out(a=n, b=i)


def returns_early(a, b):
    for i in range(30):
        if i == a:
            return Out(a=i, b=1)
        if i == b:
            return None
    return Out(a=-1)


def reassigned_variable(a, b):
    n = 0
    for i in range(6):
        n += i
        i = i + a
        n += i
    return Out(a=n, b=i)


def nested(a, b):
    n = 0
    for i in range(5):
        for j in range(i, 6):
            if j == 4:
                continue
            if i + j == a:
                break
            n += i * j
        else:
            n += 100
        if n > 350:
            break
    return Out(a=n, b=i)


def two_loops(a, b):
    n = 0
    for i in range(4):
        n += i
    for i in range(3):
        n += i * 10
    return Out(a=n, b=i)


def carried(a, b):
    x, y = 0, 1
    for _ in range(40):
        x, y = y, x + y
    return Out(a=x, b=y)


def fibonacci_overflows(a, b):
    x, y = 0, 1
    for _ in range(91):
        x, y = y, x + y
    return Out(a=x)


def over_tuple(a, b):
    n = 0
    for x in (a, 7, b, a):
        n = n * 2 + x
        if n > 5000:
            break
    return Out(a=n, b=x)


def over_captured(a, b):
    n = 0
    for x in STEPS:
        if x == b:
            continue
        n += x * a
    else:
        n += 1
    return Out(a=n, b=x)


def over_pairs(a, b):
    for key, value in ((0, 5), (1, 6), (a, 7), (3, b)):
        if key == b:
            return Out(a=value, b=key)
    return Out(a=-1)


def over_strings(a, b):
    n = 0
    for name in NAMES:
        for byte in b"xyz":
            n += byte
        if name == "bash":
            n += a
    return Out(a=n)


def over_captured_range(a, b):
    n = 0
    for i in SPAN:
        n += i
    return Out(a=n, b=i)


def enumerated(a, b):
    n = 0
    for i, x in enumerate(range(10, 20)):
        n += i * x
    for i, x in enumerate((a, b, 3), start=5):
        n += i * x
    for i, x in enumerate(range(a & 7), 2):
        n += i * 1000 + x
    return Out(a=n)


def zipped(a, b):
    n = 0
    for x, y in zip(range(10), range(a & 15)):
        n += x * y
    for x, y in zip((a, 2, 3), STEPS):
        n += x * y
    return Out(a=n)


def backwards(a, b):
    n = 0
    for i in reversed(range(2, 9, 3)):
        n = n * 10 + i
    for x in reversed((1, a, 3)):
        n = n * 3 + x
    return Out(a=n)


def while_counts(a, b):
    i = 0
    n = 0
    while i < 10:
        i += 1
        if i == a:
            continue
        n += i
    return Out(a=n, b=i)


def while_down(a, b):
    i = 20
    while i > 3:
        if i == a:
            break
        i -= 2
    else:
        return Out(a=-1, b=i)
    return Out(a=i)


def while_to_n(a, b):
    if not 0 <= a <= 40:
        return None
    i = n = 0
    while i <= a and n < 300:
        n += i
        i = i + 2
    return Out(a=n, b=i)


def while_bits(a, b):
    if a < 0:
        return None
    n, bits = a, 0
    while n:
        n >>= 1
        bits += 1
    return Out(a=bits)


def while_ones(a, b):
    n = abs(a)
    ones = 0
    while n != 0:
        n &= n - 1
        ones += 1
    return Out(a=ones)


def while_digits(a, b):
    n, digits = max(a, 0), 0
    while n > 0:
        digits += n % 10
        n //= 10
    return Out(a=digits)


def while_true(a, b):
    i = 0
    while bounded(True, limit=100):
        i += 1
        if i > min(a, 50):
            break
    return Out(a=i)


def while_walrus(a, b):
    n = 0
    while bounded((m := n * n) < b, limit=64):
        n += 1
    return Out(a=n, b=m)


def emits_each(a, b):
    for i in range(3):
        emit(Out(a=i, b=a))
        if i == b:
            return None
    return Out(a=9)


def raises_in_loop(a, b):
    n = 0
    for i in range(-3, 4):
        n += a // (i + b)
    return Out(a=n)


def asserts_in_loop(a, b):
    for i in range(8):
        assert i != a
    return Out(a=i)


def widens(a, b):
    x = 0
    for i in range(3):
        if i == 1:
            x = 1 << 63
        elif x > 5:
            x -= 1 << 62
    return Out(a=x >> 1)


def matches_in_loop(a, b):
    n = 0
    for i in range(10):
        match i % 4:
            case 0:
                continue
            case 1 | 2:
                n += i
            case x if x + a > 6:
                break
    return Out(a=n, b=i)


def unrolled_breaks(a, b):
    for x in (1, 2, 3):
        if x == a:
            y = x
            break
    else:
        y = 10
    return Out(a=y, b=x)


def sums_far(a, b):
    n = 0
    for i in range(500):
        n += i ^ (a & 255)
    return Out(a=n)


def while_stated(a, b):
    n = a
    steps = 0
    while bounded(n > 1, limit=1000):
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return Out(a=steps, b=n)


def far(a, b):
    n = 0
    for i in range(100_000):
        n += i ^ a
    return Out(a=n & 0xFFFF, b=i)


def far_with_ways_out(a, b):
    n = 0
    for i in range(50_000):
        if i & 3 == 3:
            continue
        n += i
        if n > 1_000_000 + a:
            break
        if i == b * 7:
            return Out(a=n, b=i)
        if n == 12:
            emit(Out(a=n, b=i))
    else:
        return None
    return Out(a=n, b=i)


def far_raises(a, b):
    n = 1 << 20
    for i in range(20_000):
        n -= n // (b * 10 + 40 - i)
        assert i != a * 100, "not there"
    return Out(a=n)


def far_nested(a, b):
    n = 0
    for i in range(300):
        for j in range(400):
            if j > i + a:
                break
            n += j
        if n > 4_000_000:
            return Out(a=n, b=i)
    return Out(a=n, b=-1)


def near_inside_far(a, b):
    n = 0
    for i in range(5_000):
        for j in range(i & 3):
            n += j + (a & 1)
    return Out(a=n, b=i)


def far_string(a, b):
    comm = current.comm
    n = 0
    for i in range(10_000):
        if comm == "no such name" or i & 1:
            n += 1
    return Out(a=n)


def far_list(a, b):
    n = 0
    for x in (a, b):
        for i in bounded(range(x & 0xFFFF), limit=60_000):
            n += i + x
    return Out(a=n)
