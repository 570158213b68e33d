"""What a quantity may be: some exact values, or where those are too many, all values between two."""

from __future__ import annotations

from fractions import Fraction
from typing import Iterable, Optional, Sequence

#: More sums than this become an interval: the judge then refuses less, and never wrongly.
MOST_SUMS = 4_096


class Possible:
    def __init__(self, values: Optional[Iterable[Fraction]] = None, lo: Optional[Fraction] = None, hi: Optional[Fraction] = None):
        self.values = None if values is None else frozenset(values)
        self.lo = min(self.values) if self.values else lo
        self.hi = max(self.values) if self.values else hi

    def __contains__(self, value: Fraction) -> bool:
        if self.values is not None:
            return value in self.values
        return self.lo <= value <= self.hi

    @property
    def sure(self) -> bool:
        return self.lo == self.hi

    def __str__(self) -> str:
        if self.values is None:
            return f"between {plain(self.lo)} and {plain(self.hi)}"
        shown = [plain(value) for value in sorted(self.values)]
        return shown[0] if len(shown) == 1 else f"one of {', '.join(shown[:8])}{', ...' if len(shown) > 8 else ''}"


def sums(base: Fraction, choices: Sequence[frozenset]) -> Possible:
    """What `base` and one value of each choice may add up to."""
    reached = {base}
    for number, choice in enumerate(choices):
        reached = {one + value for one in reached for value in choice}
        if len(reached) > MOST_SUMS:
            rest = choices[number + 1 :]
            return Possible(
                None,
                min(reached) + sum((min(c) for c in rest), Fraction(0)),
                max(reached) + sum((max(c) for c in rest), Fraction(0)),
            )
    return Possible(reached)


def plain(value: Fraction) -> str:
    """Decimal text, or a fraction where there is none."""
    denominator, digits = value.denominator, 0
    while 10**digits % denominator != 0:
        digits += 1
        if digits > 40:
            return f"{value.numerator}/{value.denominator}"
    scaled = abs(value) * 10**digits
    whole = str(int(scaled)).rjust(digits + 1, "0")
    sign = "-" if value < 0 else ""
    return sign + whole if digits == 0 else f"{sign}{whole[:-digits]}.{whole[-digits:]}"
