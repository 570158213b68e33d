"""Limits in money: what usage costs, in what a limit admits, shows and warns of."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Optional

from events import contributions
from history import Entry, Span
from limits import Counted, Limit
from plans import plans_of
from possible import plain, sums
from prices import charge, number, rounded
from quantities import claims, quantity
from times import next_start, period_start
from verdicts import Verdicts
from world import Tenant, World

#: More amounts of a line than this are not looked at one by one.
MOST_VALUES = 512
ANYTHING = Fraction(10**30)


class _Line(Counted):
    """What one price charges for, as a limit on its quantity."""

    def __init__(self, world: World, tenant: Tenant, limit: Limit, plan: dict, price: dict):
        super().__init__(world, tenant, replace(limit, meter=price["meter"], unit="QUANTITY"))
        self.price, self.currency = price, plan["currency"]
        self.wants = claims(plan, price)
        self.is_apart = any(other["meter"] == price["meter"] for other in plan["prices"] if other is not price) or bool(price.get("where"))
        # Where prices tell usage apart, only a request that says its values is certainly of one.
        self.admissions = [one for one in self.admissions if not self.is_apart or not one.dimensions or self.wants(one.dimensions)]

    def _is_certainly_of(self, one) -> bool:
        return not self.is_apart or (bool(one.dimensions) and self.wants(one.dimensions))

    def cost(self, amount: Fraction) -> Fraction:
        return rounded(charge(self.price, max(amount, Fraction(0))), self.currency)

    def highest(self, lo: Fraction, hi: Fraction) -> Fraction:
        """The highest amount of any quantity between: more usage may cost less where whole tiers are cheaper."""
        ends = [(number(tier["upTo"]) + number(self.price.get("included") or 0)) * number(self.price.get("divideBy") or 1) for tier in self.price.get("tiers") or [] if tier.get("upTo") is not None]
        return max(self.cost(one) for one in [lo, hi] + [end for end in ends if lo <= end <= hi])

    @property
    def is_monotone(self) -> bool:
        return self.price["model"] != "VOLUME"


def _plan(world: World, tenant: Tenant, at: float) -> Optional[dict]:
    """The plan of the period that holds a moment, if that is certain."""
    plans, _ = plans_of(world, tenant, max(period_start(tenant.anchor, at), tenant.first))
    ref = next(iter(plans)) if len(plans) == 1 else None
    return None if ref is None else world.plans[ref][0]


def _lines(world: World, tenant: Tenant, limit: Limit, span: Span) -> Optional[list[_Line]]:
    lo, hi = tenant.time(span)
    plan = _plan(world, tenant, lo)
    if plan is None or period_start(tenant.anchor, lo) != period_start(tenant.anchor, hi):
        return None
    return [_Line(world, tenant, limit, plan, price) for price in plan["prices"]]


def judge_spending(world: World, tenant: Tenant, entry: Entry, limit: Limit, verdicts: Verdicts) -> None:
    """What was certainly recorded and held, and the request, did not cost more than the limit when it was admitted."""
    lines = _lines(world, tenant, limit, entry.span)
    if lines is None:
        return
    total, because = Fraction(0), limit.lines + [entry.line]
    for one in lines:
        held, mine = one.held(entry.answered)
        used = one.usage_at_least(world.view(entry), entry.span, {a.key for a in mine}) - one.negative(entry.span)
        because = because + [a.entry.line for a in mine]
        if one.is_monotone:
            total += one.cost(used + held)
        elif used == max(one.usage_at_most(entry.span), Fraction(0)):
            # Nothing else can have been used.
            total += one.highest(used, used + held)
    most = max(limit.values)
    verdicts.fact(f"hard limit in money: {tenant.id}", f"at most {plain(most)}", f"{plain(total)} certainly spent and held", because, total <= most)


def most_spent(world: World, tenant: Tenant, entry: Entry, limit: Limit) -> Fraction:
    """The most that usage may cost with all that may be held and the request; without a certain plan, anything."""
    lines = _lines(world, tenant, limit, entry.span)
    if lines is None:
        return max(limit.values) + 1
    total = Fraction(0)
    for one in lines:
        requested = entry.input.get("usage") or [{"meter": entry.input.get("meter"), "amount": entry.input.get("amount", 1)}]
        own = sum((number(each.get("amount", 1)) for each in requested if each.get("meter") == one.price["meter"]), Fraction(0))
        total += one.highest(Fraction(0), one.usage_at_most(entry.span) + one.open_at_most(entry.span) + own)
    return total


def judge_spent(world: World, tenant: Tenant, look: Entry, limit: Limit, shown: dict, verdicts: Verdicts) -> None:
    """What `quotas` shows as used is what the usage lines cost."""
    lines = _lines(world, tenant, limit, look.span)
    if lines is None:
        return
    start = period_start(tenant.anchor, tenant.time(look.span)[0])
    amounts, because = [], [look.line] + limit.lines
    for one in lines:
        possible, more = quantity(one.events, one.meter, start, next_start(tenant.anchor, start), world.view(look), one.wants)
        if possible.values is None or len(possible.values) > MOST_VALUES:
            return
        amounts.append(frozenset(one.cost(value) for value in possible.values))
        because = because + more
    allowed = sums(Fraction(0), sorted(amounts, key=len))
    verdicts.fact(f"used in money: {tenant.id}", allowed, shown["used"], because, number(shown["used"]) in allowed)


def most_at_all(world: World, tenant: Tenant, start: int, view: Span) -> Fraction:
    """What usage of a period may have cost at most at any moment; without a certain plan, anything."""
    amounts = [one.highest(Fraction(0), hi) for one, _, hi in _bounds(world, tenant, start, view) or []]
    return ANYTHING if _plan(world, tenant, start) is None else sum(amounts, Fraction(0))


def lowest_at_end(world: World, tenant: Tenant, start: int, view: Span) -> Fraction:
    """What it certainly costs at the end; 0 as long as there may be no usage, whatever is due without."""
    bounds = _bounds(world, tenant, start, view)
    if not any(lo > 0 for _, lo, _ in bounds):
        return Fraction(0)
    return sum((one.cost(lo) for one, lo, _ in bounds if one.is_monotone), Fraction(0))


def _bounds(world: World, tenant: Tenant, start: int, view: Span) -> list[tuple[_Line, Fraction, Fraction]]:
    """Of each line, the least quantity at the end and the most at any moment."""
    plan = _plan(world, tenant, start)
    found = []
    for price in plan["prices"] if plan else []:
        one = _Line(world, tenant, Limit(None, "BILLING_PERIOD", set(), set(), [], []), plan, price)
        lo = hi = Fraction(0)
        for event in one.events:
            parts = [Fraction(0) if part is None else part.value for part in contributions(event, one.meter, start, next_start(tenant.anchor, start), one.wants, view)]
            lo += min(parts)
            hi += max(*parts, Fraction(0))
        found.append((one, lo, hi))
    return found
