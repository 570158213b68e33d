"""The quantity of a meter in a span of time: every value that the history allows."""

from __future__ import annotations

from fractions import Fraction
from typing import Callable, Iterable, Optional

from events import Contribution, Event, contributions
from history import Span
from possible import Possible, sums

Choice = frozenset  # of Optional[Contribution]
EVERYTHING: Callable[[dict], bool] = lambda _: True


def quantity(
    events: Iterable[Event], meter, start: float, end: float, view: Span, wanted: Callable[[dict], bool] = EVERYTHING
) -> tuple[Possible, list[int]]:
    """What the meter may say of [start, end), and the lines that it depends on."""
    choices: list[Choice] = []
    lines: list[int] = list(meter.lines)
    for event in events:
        found = contributions(event, meter, start, end, wanted, view)
        if found == {None}:
            continue
        choices.append(frozenset(found))
        lines += event.lines
    return AGGREGATIONS[meter.aggregation](choices), lines


def _sum(choices: list[Choice]) -> Possible:
    base, open_ones = Fraction(0), []
    for choice in choices:
        values = frozenset(Fraction(0) if one is None else one.value for one in choice)
        if len(values) == 1:
            base += next(iter(values))
        else:
            open_ones.append(values)
    return sums(base, sorted(open_ones, key=len))


def _max(choices: list[Choice]) -> Possible:
    """A value is the highest if one event may have it and no event must have more."""
    # The least that each event may say; None is below everything.
    floors = [None if None in choice else min(one.value for one in choice) for choice in choices]
    floor = max((value for value in floors if value is not None), default=None)
    values = {one.value for choice in choices for one in choice if one is not None and (floor is None or one.value >= floor)}
    return Possible(values if floor is not None else values | {Fraction(0)})


def _unique(choices: list[Choice]) -> Possible:
    known = {next(iter(choice)).value for choice in choices if len(choice) == 1 and None not in choice}
    every = {one.value for choice in choices for one in choice if one is not None}
    return Possible(Fraction(n) for n in range(len(known), len(every) + 1))


def _latest(choices: list[Choice]) -> Possible:
    """A value is the latest if one event may have it, and no other event must be later (by time, then by its place in the log)."""
    values = set()
    for choice in choices:
        for one in choice:
            if one is not None and not any(other is not choice and _must_follow(other, one) for other in choices):
                values.add(one.value)
    if all(None in choice for choice in choices):
        values.add(Fraction(0))
    return Possible(values)


def _must_follow(choice: Choice, one: Contribution) -> bool:
    return all(other is not None and _follows(other, one) for other in choice)


def _follows(other: Contribution, one: Contribution) -> bool:
    return other.time > one.time or (other.time == one.time and one.variant.acknowledged <= other.variant.sent)


AGGREGATIONS: dict[str, Callable[[list[Choice]], Possible]] = {
    "COUNT": _sum,
    "SUM": _sum,
    "MAX": _max,
    "UNIQUE": _unique,
    "LATEST": _latest,
}


def claims(plan: dict, price: dict) -> Callable[[dict], bool]:
    """Whether the price claims usage with these dimension values."""
    where = price.get("where") or []
    if price.get("catchAll"):
        others = [claims(plan, one) for one in plan["prices"] if one["meter"] == price["meter"] and not one.get("catchAll")]
        return lambda values: not any(other(values) for other in others)
    return (lambda values: all(values.get(w["dimension"], "") == w["value"] for w in where)) if where else EVERYTHING


def single(possible: Possible) -> Optional[Fraction]:
    return possible.lo if possible.sure else None
