"""Which events exist, as far as clients can know, and what each may contribute to a meter."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import InvalidOperation
from fractions import Fraction
from typing import Callable, Iterable, Optional

from history import NEVER, Entry, Span, of
from prices import number
from times import milliseconds

TAKEN = ("accepted", "duplicate")


@dataclass(eq=False)
class Variant:
    """One content that was sent under an id. Honest retries repeat it; `time` may differ between them."""

    type: str
    data: dict
    fingerprint: str
    #: Without a `time` of its own, it gets that of its arrival: between these two.
    time: tuple[float, float]
    sent: float
    acknowledged: float
    lines: list[int]


@dataclass(eq=False)
class Event:
    tenant: str
    source: str
    id: str
    variants: list[Variant] = field(default_factory=list)
    voids: list[Entry] = field(default_factory=list)
    accepts: list[Entry] = field(default_factory=list)

    @property
    def lines(self) -> list[int]:
        return [line for variant in self.variants for line in variant.lines]

    def alternatives(self, view: Span) -> list[Optional[Variant]]:
        """What may count at a moment within `view` (a place in the log): one of these; None is nothing."""
        first = self.variants[0]
        if len(self.variants) == 1 and not self.voids:
            if first.acknowledged <= view.lo:
                return [first]
            return [first, None] if first.sent < view.hi else [None]
        found: list[Optional[Variant]] = [v for v in self._winners() if v.sent < view.hi]
        if not any(v.acknowledged <= view.lo for v in self.variants):
            found.append(None)
        if any(void.possible and void.sent < view.hi for void in self.voids):
            is_sure = any(void.sure and void.answered <= view.lo for void in self.voids)
            found = [None] if is_sure else found + [None]
        if any(entry.possible and entry.sent < view.hi for entry in self.accepts):
            losers = [v for v in self.variants if v.fingerprint != self.variants[0].fingerprint]
            is_sure = any(entry.sure and entry.answered <= view.lo for entry in self.accepts)
            found = losers if is_sure and losers else found + losers
        return list(dict.fromkeys(found))

    def _winners(self) -> list[Variant]:
        """Those that may have been recorded first."""
        return [v for v in self.variants if not any(w is not v and w.acknowledged <= v.sent for w in self.variants)]

    @property
    def is_contested(self) -> bool:
        return len({variant.fingerprint for variant in self.variants}) > 1


def read_events(history: list[Entry], business_time: Callable[[str, Span], tuple[float, float]]) -> list[Event]:
    """Every event that may be in the log. `business_time` says what the tenant's clock showed."""
    events: dict[tuple, Event] = {}
    for entry in of(history, "events"):
        if not entry.possible:
            continue
        results = entry.answer["results"] if entry.sure else [{}] * len(entry.input["events"])
        for sent, result in zip(entry.input["events"], results):
            status = result.get("status", "unknown")
            if not isinstance(sent, dict) or status == "rejected" or not all(isinstance(sent.get(name), str) for name in ("id", "source", "type")):
                continue
            tenant = entry.input.get("tenantId") or sent.get("subject")
            if tenant is None:
                continue
            key = (tenant, sent["source"], sent["id"])
            event = events.setdefault(key, Event(*key))
            _add(event, sent, entry, entry.answered if status in TAKEN else NEVER, business_time)
    for entry in of(history, "voidEvent", "resolveQuarantined"):
        event = events.get((entry.input["tenantId"], entry.input["source"], entry.input["id"]))
        if event is None or not entry.possible:
            continue
        if entry.op == "voidEvent":
            event.voids.append(entry)
        elif entry.input["accept"]:
            event.accepts.append(entry)
    return list(events.values())


def _add(event: Event, sent: dict, entry: Entry, acknowledged: float, business_time: Callable) -> None:
    data = sent.get("data") or {}
    fingerprint = json.dumps([sent["type"], sent.get("subject"), data], sort_keys=True, default=str)
    if sent.get("time") is None:
        time = business_time(event.tenant, entry.span)
    else:
        time = (milliseconds(sent["time"]),) * 2
    for variant in event.variants:
        if variant.fingerprint == fingerprint and variant.time == time:
            variant.acknowledged = min(variant.acknowledged, acknowledged)
            variant.lines.append(entry.line)
            return
    event.variants.append(Variant(sent["type"], data, fingerprint, time, entry.sent, acknowledged, [entry.line]))


@dataclass(frozen=True)
class Contribution:
    """What an event adds to a slice: at its own time, a value (a number, or for UNIQUE a text)."""

    time: float
    value: object
    variant: Variant


def contributions(
    event: Event, meter, start: float, end: float, wanted: Callable[[dict], bool], view: Span
) -> set[Optional[Contribution]]:
    """What the event may contribute, seen from `view`; None is nothing."""
    found: set[Optional[Contribution]] = set()
    for variant in event.alternatives(view):
        if variant is None or variant.type != meter.event_type:
            found.add(None)
            continue
        counting = meter.counts(variant, view)
        if counting != "yes":
            found.add(None)
        if counting == "no":
            continue
        for time in dict.fromkeys(variant.time):
            read = value(variant, meter) if start <= time < end and wanted(dimensions(variant, meter)) else None
            found.add(None if read is None else Contribution(time, read, variant))
    return found


def dimensions(variant: Variant, meter) -> dict[str, str]:
    return {name: str(variant.data.get(name, "")) for name in meter.dimensions}


def value(variant: Variant, meter) -> object:
    """What a meter reads from it: a number, for UNIQUE a text, or None if it cannot."""
    if meter.aggregation == "COUNT":
        return Fraction(1)
    read = variant.data.get(meter.property)
    if read is None or meter.aggregation == "UNIQUE":
        return None if read is None else str(read)
    try:
        return number(read)
    except InvalidOperation:
        return None


def lines_of(events: Iterable[Event]) -> list[int]:
    return [line for event in events for line in event.lines]
