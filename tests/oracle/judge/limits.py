"""The limits in force for a tenant, and what certainly or possibly counts against them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Optional

from events import Event, contributions, value
from history import NEVER, Entry, Span, of
from plans import plans_of
from prices import number
from quantities import EVERYTHING
from times import PERIODS, WINDOW, milliseconds, period_start
from world import Tenant, World

#: A sliding window may be this much longer than stated, never shorter.
LONGER = Fraction(101, 100)


@dataclass
class Limit:
    """A limit of a plan, with the values that may be in force."""

    meter: Optional[str]
    window: str
    kinds: set[str]
    values: set[Fraction]
    warn_at: list[Fraction]
    lines: list[int]

    @property
    def key(self) -> tuple:
        return (self.meter, self.window)


def limits_in(world: World, tenant: Tenant, span: Span) -> dict[tuple, Limit]:
    """The limits that may be in force at some moment of the span."""
    found: dict[tuple, Limit] = {}
    for period in {period_start(tenant.anchor, at) for at in tenant.time(span) if at not in (NEVER, -NEVER)}:
        plans, lines = plans_of(world, tenant, max(period, tenant.first))
        for ref in plans - {None}:
            for given in world.plans[ref][0].get("limits") or []:
                key = (given.get("meter"), given["window"])
                limit = found.setdefault(key, Limit(*key, set(), set(), [], lines))
                limit.kinds.add(given["kind"])
                limit.values.add(number(given["limit"]))
                limit.warn_at = [number(one) for one in given.get("warnAt", ["0.8"])]
    for entry in of(tenant.history, "setQuotaOverride"):
        limit = found.get((entry.input.get("meter"), entry.input["window"]))
        if limit is None or not entry.possible or entry.sent >= span.hi:
            continue
        lo, hi = tenant.time(span)
        until, amount = milliseconds(entry.input["until"]), number(entry.input["limit"])
        if until <= lo:
            continue
        is_sure = entry.sure and entry.answered <= span.lo and hi < until
        limit.values = {amount} if is_sure else limit.values | {amount}
        limit.lines = limit.lines + [entry.line]
    return found


@dataclass
class Admission:
    """An answer that allowed a `consume`, or none that may have."""

    entry: Entry
    key: str
    amounts: dict[Optional[str], Fraction]
    is_sure: bool
    expires: float
    releases: list[Entry]

    def amount(self, meter: Optional[str]) -> Fraction:
        return Fraction(1) if meter is None else self.amounts.get(meter, Fraction(0))


def amounts_of(request: dict) -> dict[str, Fraction]:
    if request.get("usage"):
        return {one["meter"]: number(one.get("amount", 1)) for one in request["usage"]}
    return {request["meter"]: number(request.get("amount", 1))} if request.get("meter") else {}


def admissions(tenant: Tenant) -> list[Admission]:
    found = []
    releases = [e for e in of(tenant.history, "release") if e.possible]
    for entry in of(tenant.history, "consume"):
        if not entry.possible or (entry.sure and not entry.answer["allowed"]):
            continue
        key = entry.input["idempotencyKey"]
        expires = milliseconds(entry.answer["expiresAt"]) if entry.sure and entry.answer.get("expiresAt") else NEVER
        mine = [e for e in releases if e.input["idempotencyKey"] == key and e.answered > entry.sent]
        found.append(Admission(entry, key, amounts_of(entry.input), entry.sure, expires, mine))
    return found


class Counted:
    """What counts against one limit of a tenant."""

    def __init__(self, world: World, tenant: Tenant, limit: Limit):
        self.world, self.tenant, self.limit = world, tenant, limit
        self.meter = world.meters.get(limit.meter) if limit.meter else None
        self.admissions = [one for one in admissions(tenant) if limit.meter is None or limit.meter in one.amounts]
        self.events = [
            e for e in world.by_tenant[tenant.id] if self.meter and any(v.type == self.meter.event_type for v in e.variants)
        ]
        self.by_id: dict[str, list[Event]] = {}
        for event in self.events:
            self.by_id.setdefault(event.id, []).append(event)

    def window(self, span: Span, is_wide: bool) -> tuple[float, float]:
        """The times of usage that certainly (or, wide, possibly) count in this span."""
        lo, hi = self.tenant.time(span)
        if self.limit.window in PERIODS:
            (start, end), (last, ends) = (self.tenant.period_at(self.limit.window, at) for at in (lo, hi))
            return (start, ends if is_wide else end) if is_wide or start == last else (NEVER, -NEVER)
        length = WINDOW[self.limit.window]
        return (lo - float(length * LONGER), NEVER) if is_wide else (hi - length + 1, lo + 1)

    def with_voided(self) -> list[Event]:
        """Its events; a window of time counts a voided one until it has passed."""
        return self.events if self.limit.window in PERIODS else [replace(event, voids=[]) for event in self.events]

    def held(self, at: float) -> tuple[Fraction, list[Admission]]:
        """What admissions that were answered by `at` certainly still hold then."""
        span, counted = Span(at, at), {}
        for one in self.admissions:
            if one.is_sure and one.entry.answered <= at:
                least = self._least(one, span)
                if least > 0 and (one.key not in counted or counted[one.key][0] < least):
                    counted[one.key] = (least, one)
        return sum((least for least, _ in counted.values()), Fraction(0)), [one for _, one in counted.values()]

    def held_throughout(self, span: Span) -> tuple[Fraction, list[Admission]]:
        """What admissions that were answered before the span certainly hold in all of it."""
        held: dict[str, tuple[Fraction, Admission]] = {}
        for one in self.admissions:
            least = self._least(one, span) if one.is_sure and one.entry.answered <= span.lo else Fraction(0)
            if least > held.get(one.key, (Fraction(0), one))[0]:
                held[one.key] = (least, one)
        return sum((least for least, _ in held.values()), Fraction(0)), [one for _, one in held.values()]

    def _least(self, one: Admission, span: Span) -> Fraction:
        if any(release.sent < span.hi for release in one.releases):
            return Fraction(0)
        lo, hi = self.tenant.time(span)
        begun = self.tenant.time(one.entry.span)[0]
        is_short = self.limit.window in ("SECOND", "MINUTE")
        if self.limit.meter is None or is_short:
            # Counts from its admission, and while the window lasts.
            if self.limit.window in PERIODS:
                is_inside = self.tenant.period_at(self.limit.window, begun) == self.tenant.period_at(self.limit.window, hi)
            else:
                elapsed = hi - begun if self.tenant.has_test_clock else span.hi - one.entry.sent
                is_inside = elapsed < WINDOW[self.limit.window]
            if not is_inside or self.limit.meter is None:
                return Fraction(int(is_inside))
        if hi >= one.expires:
            return Fraction(0)
        least = one.amount(self.limit.meter)
        start, end = self.window(span, False)
        for event in self.by_id.get(one.key, []):
            for variant in event.variants:
                if variant.sent < span.hi and variant.type == self.meter.event_type:
                    is_inside = is_short or all(start <= time < end for time in variant.time)
                    least = min(least, (value(variant, self.meter) or Fraction(0)) if is_inside else Fraction(0))
        return max(least, Fraction(0))

    def open_at_most(self, span: Span) -> Fraction:
        """The most that reservations may hold in this span, those that were answered or sent before its end."""
        most: dict[object, Fraction] = {}
        lo = self.tenant.time(span)[0]
        # A short window counts it from its admission, and a limit on requests does so for the whole window.
        is_kept = self.limit.meter is None or self.limit.window in ("SECOND", "MINUTE")
        for one in self.admissions:
            is_released = any(e.sure and e.sent >= one.entry.answered and e.answered <= span.lo for e in one.releases)
            if one.entry.sent >= span.hi or is_released:
                continue
            is_over = lo >= one.expires
            if is_kept:
                is_over = self.limit.window in WINDOW and lo - self.tenant.time(one.entry.span)[1] > WINDOW[self.limit.window] * LONGER
            if not is_over:
                key = one.entry.line if is_kept else one.key
                most[key] = max(most.get(key, Fraction(0)), one.amount(self.limit.meter))
        return sum(most.values(), Fraction(0))

    def usage_at_most(self, span: Span) -> Fraction:
        """The most that recorded usage may count in this span."""
        return sum((max(part, Fraction(0)) for part in self._parts(span, True, max)), Fraction(0))

    def negative(self, span: Span) -> Fraction:
        """How much room negative usage may have made, as a positive amount."""
        return -sum((min(part, Fraction(0)) for part in self._parts(span, True, min)), Fraction(0))

    def usage_at_least(self, view: Span, at: Span, without: set[str]) -> Fraction:
        """What recorded usage certainly counts at `at`, of events that `view` must show and that settle none of these keys."""
        start, end = self.window(at, False)
        total = Fraction(0)
        for event in self.events:
            if event.id not in without:
                parts = contributions(event, self.meter, start, end, EVERYTHING, view)
                total += max(Fraction(0), min(Fraction(0) if part is None else part.value for part in parts))
        return total

    def _parts(self, span: Span, is_wide: bool, pick) -> list[Fraction]:
        start, end = self.window(span, is_wide)
        view = Span(-NEVER, span.hi)
        return [
            pick(Fraction(0) if part is None else part.value for part in contributions(event, self.meter, start, end, EVERYTHING, view))
            for event in (self.with_voided() if is_wide else self.events)
        ]
