"""Numbers of the application, which may be of any type."""

import math


def finite(value: object) -> float | None:
    """A number that is neither a truth value, nor NaN, nor beyond all measure."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and abs(value) < 1e12 else None


def is_odd(value: object) -> bool:
    """Whether a field has something else in place of a number."""
    return value is not None and finite(value) is None


def count(value: object, default: int) -> int:
    """A whole number that is not negative, cut to one; the default for anything else."""
    number = finite(value)
    return int(number) if number is not None and number >= 0 else default
