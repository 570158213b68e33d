"""Meters, plans, tenants, clocks and closings, as far as the history tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from events import Event, Variant, read_events
from history import NEVER, Entry, Malformed, Span, of, tenant_of
from times import DAY, MINUTE, calendar_span, milliseconds, next_start, period_start

#: Clocks of clients and servers differ by less.
SKEW = MINUTE
DEFAULT_GRACE_DAYS = 3


@dataclass
class Meter:
    key: str
    event_type: str
    aggregation: str
    property: Optional[str]
    dimensions: list[str]
    created: Entry
    archived: list[Entry]
    world: "World"

    @property
    def lines(self) -> list[int]:
        return [self.created.line]

    def counts(self, variant: Variant, view: Span) -> str:
        """Whether it counts an event that is recorded at some time after it was sent: yes, no or maybe."""
        recorded = Span(variant.sent, self.world.recorded_by(variant))
        answer = _since(self.created, recorded)
        if answer == "no" and self.created.possible and self.created.input.get("backfill") and self.created.sent < view.hi:
            # It counts what was unmetered, in periods that were not closed then.
            answer = "maybe"
        for entry in self.archived:
            passed = _since(entry, recorded)
            if passed == "no":
                continue
            if entry.op == "archiveMeter":
                answer = "no" if passed == "yes" else ("no" if answer == "no" else "maybe")
            else:
                answer = "yes" if passed == "yes" else "maybe"
        return answer


def _since(entry: Entry, recorded: Span) -> str:
    """Whether what was recorded then comes after this change."""
    if not entry.possible or recorded.hi <= entry.sent:
        return "no"
    return "yes" if entry.sure and entry.answered <= recorded.lo else "maybe"


@dataclass
class Closing:
    """The end of a period: the place in the log from which on its usage is late."""

    span: Span
    is_sure: bool
    lines: list[int]


@dataclass
class Period:
    start: int
    end: int
    closing: Optional[Closing]


@dataclass
class Tenant:
    id: str
    anchor: int
    created: Entry
    first: int
    starts_at: float
    history: list[Entry]
    periods: list[Period] = field(default_factory=list)

    @property
    def has_test_clock(self) -> bool:
        return self.created.input.get("testClock") is not None

    def period_at(self, window: str, at: float) -> tuple[int, int]:
        """The billing period, or the window of its calendar, that holds a time."""
        if window == "BILLING_PERIOD":
            start = period_start(self.anchor, at)
            return start, next_start(self.anchor, start)
        return calendar_span(window, self.created.input.get("timeZone") or "UTC", at)

    def time(self, span: Span) -> tuple[float, float]:
        """What the tenant's clock may show in this span."""
        if not self.has_test_clock:
            return span.lo - SKEW, span.hi + SKEW
        start = milliseconds(self.created.input["testClock"])
        moves = of(self.history, "advanceTestClock")
        lo = max([start] + [milliseconds(e.input["to"]) for e in moves if e.sure and e.answered <= span.lo])
        hi = max([start] + [milliseconds(e.input["to"]) for e in moves if e.possible and e.sent < span.hi])
        return lo, hi

    def grace_days(self) -> tuple[int, int]:
        given = [self.created.input.get("graceDays", DEFAULT_GRACE_DAYS)]
        given += [e.input["input"]["graceDays"] for e in of(self.history, "updateTenant") if e.possible and "graceDays" in e.input["input"]]
        return min(given), max(given)


class World:
    def __init__(self, history: list[Entry]):
        self.history = history
        self.rests = sorted(of(history, "rest"), key=lambda entry: entry.sent)
        self.meters = {}
        for entry in of(history, "createMeter"):
            given = entry.input
            if entry.possible and given["key"] not in self.meters:
                archived = [e for e in of(history, "archiveMeter", "unarchiveMeter") if e.input["key"] == given["key"]]
                self.meters[given["key"]] = Meter(
                    given["key"], given["eventType"], given["aggregation"], given.get("valueProperty"),
                    given.get("dimensions") or [], entry, archived, self,
                )
        self.plans: dict[str, tuple[dict, Entry]] = {}
        for entry in of(history, "createPlan", "publishPlanVersion"):
            if not entry.possible:
                continue
            if entry.op == "createPlan":
                self.plans.setdefault(f"{entry.input['id']}@1", (entry.input["version"], entry))
            elif entry.sure:
                self.plans.setdefault(f"{entry.input['planId']}@{entry.answer['version']}", (entry.input["input"], entry))
            else:
                raise Malformed(f"line {entry.line}: say which version publishPlanVersion gave")
        self.tenants: dict[str, Tenant] = {}
        for entry in of(history, "createTenant"):
            if entry.possible and entry.input["id"] not in self.tenants:
                self.tenants[entry.input["id"]] = self._tenant(entry)
        self.events = read_events(history, lambda tenant, span: self.tenants[tenant].time(span))
        self.by_tenant: dict[str, list[Event]] = {tenant: [] for tenant in self.tenants}
        for event in self.events:
            if event.tenant not in self.tenants:
                raise Malformed(f"lines {event.lines[:3]} name the tenant {event.tenant}, which nobody created")
            self.by_tenant[event.tenant].append(event)
        for tenant in self.tenants.values():
            tenant.periods = self._periods(tenant)

    def recorded_by(self, variant: Variant) -> float:
        """By when an acknowledged event was surely recorded: by the first rest after its acknowledgement."""
        return next((rest.answered for rest in self.rests if rest.sent >= variant.acknowledged), NEVER)

    def view(self, entry: Entry) -> Span:
        """What a look must show (all that was acknowledged before the last rest) and may show (all that was sent)."""
        lo = max((rest.sent for rest in self.rests if rest.answered <= entry.sent), default=-NEVER)
        return Span(lo, entry.answered)

    def _tenant(self, entry: Entry) -> Tenant:
        given = entry.input
        tenant_history = [e for e in self.history if tenant_of(e) == given["id"]]
        anchor = given.get("billingAnchorDay") or 1
        starts = given.get("startsAt") or given.get("testClock")
        starts_at = milliseconds(starts) if starts is not None else entry.sent
        first = period_start(anchor, starts_at)
        if starts is None and period_start(anchor, entry.answered if entry.sure else entry.sent) != first:
            raise Malformed(f"line {entry.line}: the tenant may have begun in two periods; give it startsAt")
        return Tenant(given["id"], anchor, entry, first, starts_at, tenant_history)

    def _periods(self, tenant: Tenant) -> list[Period]:
        """Its periods that may have begun, with when each may have closed."""
        _, latest = tenant.time(Span(tenant.created.sent, max(e.answered if e.answered != NEVER else e.sent for e in self.history)))
        found: list[Period] = []
        start, earliest = tenant.first, -NEVER
        while start <= latest:
            end = next_start(tenant.anchor, start)
            closing = self._closing(tenant, start, end)
            if closing is not None:
                earliest = max(earliest, closing.span.lo)
                closing.span = Span(earliest, max(earliest, closing.span.hi))
            found.append(Period(start, end, closing))
            start = end
        return found

    def _closing(self, tenant: Tenant, start: int, end: int) -> Optional[Closing]:
        # A test tenant was not created on its own clock.
        created_lo, created_hi = (-NEVER, -NEVER) if tenant.has_test_clock else tenant.time(tenant.created.span)
        soon, late = tenant.grace_days()
        possible_from: list[tuple[float, int]] = []
        surely_by: list[tuple[float, int]] = []
        grace_ends = max(end, created_lo) + soon * DAY
        if tenant.has_test_clock:
            for entry in [tenant.created] + of(tenant.history, "advanceTestClock"):
                to = milliseconds(entry.input.get("to") or entry.input.get("testClock"))
                if entry.possible and to >= grace_ends:
                    possible_from.append((entry.sent, entry.line))
                    if entry.sure and to >= max(end, created_hi) + late * DAY:
                        surely_by += [(e.answered, e.line) for e in self._ready(tenant, entry, to)]
        elif self.history[-1].sent + SKEW >= grace_ends:
            possible_from.append((grace_ends - SKEW, tenant.created.line))
        for entry in of(tenant.history, "closeBillingPeriod"):
            if entry.possible and milliseconds(entry.input["periodStart"]) == start:
                possible_from.append((entry.sent, entry.line))
                if entry.sure:
                    surely_by.append((entry.answered, entry.line))
        for entry in of(tenant.history, "invoices", "billingPeriods"):
            for shown in entry.answer or [] if entry.sure else []:
                period = shown.get("period", shown)
                if milliseconds(period["start"]) == start and ("sha256" in shown or period.get("status") in ("CLOSING", "CLOSED")):
                    surely_by.append((entry.answered, entry.line))
        if not possible_from:
            return Closing(Span(NEVER, NEVER), True, [line for _, line in surely_by]) if surely_by else None
        lo = min(possible_from)[0]
        hi = min(surely_by)[0] if surely_by else NEVER
        return Closing(Span(lo, max(lo, hi)), bool(surely_by), [line for _, line in possible_from + surely_by])

    def _ready(self, tenant: Tenant, advance: Entry, to: int) -> list[Entry]:
        """Looks that show that all services have followed this advance."""
        return [
            e for e in of(tenant.history, "tenant")
            if e.sure and e.sent >= advance.sent and e.answer.get("testClockStatus") == "READY" and milliseconds(e.answer["testClock"]) >= to
        ]
