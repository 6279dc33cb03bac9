"""Functions of another module, with globals of their own."""

TOP = 50
LIMIT = 3  # not the one of the module that calls


def clamp(x, low, high):
    if x < low:
        return low
    if x > high:
        return high
    return x


def halved(x):
    return x // 2


def scaled(x):
    """Uses this module's names."""
    return halved(x) * LIMIT


def describe(x):
    if x < -LIMIT:
        return LIMIT
    return clamp(x, -1, 1)
