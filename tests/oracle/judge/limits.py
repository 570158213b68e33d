"""The limits in force for a tenant, and what certainly or possibly counts against them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Callable, Iterable, Optional

from events import Event, contributions, dimensions, value
from history import NEVER, Entry, Span, of
from plans import assignments, plans_of
from prices import number
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
    #: Dimensions, each combination of whose values has a counter.
    by: tuple[str, ...] = ()
    #: Values that usage must have.
    where: tuple[tuple[str, str], ...] = ()
    unit: str = "QUANTITY"
    #: Of a limit with `by`: the combination that it is about.
    combination: tuple[tuple[str, str], ...] = ()
    #: With `by` or `where`: usage that was sent before may not count.
    since: float = -NEVER

    @property
    def is_scoped(self) -> bool:
        return bool(self.by or self.where)

    @property
    def key(self) -> tuple:
        if self.unit == "MONEY":
            return ("money", self.window)
        return (self.meter, self.window, self.where, self.combination) if self.is_scoped else (self.meter, self.window)

    def wants(self, values: dict[str, str]) -> bool:
        """Whether it counts usage with these values."""
        return all(values.get(name, "") == wanted for name, wanted in self.where + self.combination)

    def of_request(self, values: dict[str, str]) -> Optional["Limit"]:
        """The limit with the combination that a request is about; None: it is about other usage."""
        if not set(self.by) <= set(values) or any(values.get(name) != wanted for name, wanted in self.where):
            return None
        return replace(self, combination=matches((name, values[name]) for name in self.by)) if self.by else self


def matches(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(pairs))


def matches_of(given: Optional[list[dict]]) -> tuple[tuple[str, str], ...]:
    """Of the contract's list of dimensions with values."""
    return matches((one["dimension"], one["value"]) for one in given or [])


def family(given: dict) -> tuple:
    """Names a limit of a plan, or the one that an override is of: it may have many combinations."""
    if given.get("unit") == "MONEY":
        return ("money", given["window"])
    plain = (given.get("meter"), given["window"])
    by, where = tuple(sorted(given.get("by") or [])), matches_of(given.get("where"))
    return (*plain, by, where) if by or where else plain


def shown_key(shown: dict, limit: dict) -> tuple:
    """The key of the limit that a decision, an alert or `quotas` shows; its own terms are in `limit`."""
    if limit.get("unit") == "MONEY":
        return ("money", limit["window"])
    where, combination = matches_of(limit.get("where")), matches_of(shown.get("dimensions"))
    plain = (limit.get("meter"), limit["window"])
    return (*plain, where, combination) if where or combination or limit.get("by") else plain


def _since(world: World, tenant: Tenant, key: tuple) -> float:
    """From when on a limit with `by` or `where` certainly counts: since a plan with it was assigned, if every plan since has it."""
    known = assignments(world, tenant)
    has = [one.is_sure and all(any(family(given) == key for given in world.plans[ref][0].get("limits") or []) for ref in one.plans) for one in known]
    if not known or not all(has):
        return NEVER
    first = known[0].lines[0]
    if first == tenant.created.line:
        return -NEVER
    return next(entry.answered for entry in tenant.history if entry.line == first)


def limits_in(world: World, tenant: Tenant, span: Span) -> dict[tuple, Limit]:
    """The limits that may be in force at some moment of the span."""
    found: dict[tuple, Limit] = {}
    for period in {period_start(tenant.anchor, at) for at in tenant.time(span) if at not in (NEVER, -NEVER)}:
        plans, lines = plans_of(world, tenant, max(period, tenant.first))
        for ref in plans - {None}:
            for given in world.plans[ref][0].get("limits") or []:
                key = family(given)
                limit = found.get(key)
                if limit is None:
                    by, where = tuple(sorted(given.get("by") or [])), matches_of(given.get("where"))
                    since = _since(world, tenant, key) if by or where else -NEVER
                    limit = Limit(given.get("meter"), given["window"], set(), set(), [], lines, by, where, given.get("unit") or "QUANTITY", (), since)
                    found[key] = limit
                limit.kinds.add(given["kind"])
                limit.values.add(number(given["limit"]))
                limit.warn_at = [number(one) for one in given.get("warnAt", ["0.8"])]
    for entry in of(tenant.history, "setQuotaOverride"):
        limit = found.get(family(entry.input))
        if limit is None or not entry.possible or entry.sent >= span.hi:
            continue
        lo, hi = tenant.time(span)
        until, amount = milliseconds(entry.input["until"]), number(entry.input["limit"])
        if until <= lo:
            continue
        is_sure = entry.sure and entry.answered <= span.lo and hi < until
        limit.values = {amount} if is_sure else limit.values | {amount}
        kind = entry.input.get("kind")
        if kind is not None:
            limit.kinds = {kind} if is_sure else limit.kinds | {kind}
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

    @property
    def dimensions(self) -> dict[str, str]:
        return self.entry.input.get("dimensions") or {}

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
        # One that does not say a dimension may be of any value of it.
        self.admissions = [
            one for one in admissions(tenant)
            if (limit.meter is None or limit.meter in one.amounts)
            and all(one.dimensions.get(name, wanted) == wanted for name, wanted in limit.where + limit.combination)
        ]
        self.events = [
            e for e in world.by_tenant[tenant.id] if self.meter and any(v.type == self.meter.event_type for v in e.variants)
        ]
        self.wants: Callable[[dict[str, str]], bool] = limit.wants
        self.by_id: dict[str, list[Event]] = {}
        for event in self.events:
            self.by_id.setdefault(event.id, []).append(event)

    def _is_certainly_of(self, one: Admission) -> bool:
        return all(name in one.dimensions for name, _ in self.limit.where + self.limit.combination)

    def _parts_of(self, event: Event, start: float, end: float, view: Span):
        """What an event may contribute to this limit."""
        found = contributions(event, self.meter, start, end, self.wants, view)
        return found | {None} if any(variant.sent < self.limit.since for variant in event.variants) else found

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
        if any(release.sent < span.hi for release in one.releases) or not self._is_certainly_of(one):
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
                    # It settles the reservation by its own values.
                    is_inside = self.wants(dimensions(variant, self.meter)) and (is_short or all(start <= time < end for time in variant.time))
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
                parts = self._parts_of(event, start, end, view)
                total += max(Fraction(0), min(Fraction(0) if part is None else part.value for part in parts))
        return total

    def _parts(self, span: Span, is_wide: bool, pick) -> list[Fraction]:
        start, end = self.window(span, is_wide)
        view = Span(-NEVER, span.hi)
        return [
            pick(Fraction(0) if part is None else part.value for part in self._parts_of(event, start, end, view))
            for event in (self.with_voided() if is_wide else self.events)
        ]
