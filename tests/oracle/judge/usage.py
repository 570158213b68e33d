"""Answers to events, totals, and the accounting identity."""

from __future__ import annotations

import re
from decimal import InvalidOperation
from fractions import Fraction
from typing import Optional

from events import TAKEN, Event, dimensions, value
from history import Entry, Span, of
from possible import plain
from prices import number
from quantities import quantity
from times import DAY, HOUR, MINUTE, milliseconds, next_start, period_start, text
from verdicts import Verdicts
from world import Tenant, World

LAST_LOOKS = 20
#: Totals of less than a period are of hours and days, UTC.
BUCKETS = {"HOUR": HOUR, "DAY": DAY}
#: Codes that must have a reason in the event itself.
UNFOUNDED = ("INVALID", "NUMBER_NOT_EXACT", "TOO_LARGE")
PLAIN_ATTRIBUTES = {"specversion", "id", "source", "type", "subject", "time", "data", "datacontenttype"}
PLAIN_TEXT = re.compile(r"[A-Za-z0-9_./:-]{1,100}")
PLAIN_NUMBER = re.compile(r"\d{1,15}(\.\d{1,12})?")
PLAIN_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z")
#: More values of a dimension than this may be quarantined.
MOST_VALUES = 1_000
OLDEST = 35 * DAY
NEWEST = 5 * MINUTE


def judge_answers(world: World, verdicts: Verdicts) -> None:
    """What was accepted could be, and what was rejected for its time or subject had to be."""
    for entry in of(world.history, "events"):
        if not entry.sure:
            continue
        sent, results = entry.input["events"], entry.answer["results"]
        if len(sent) != len(results):
            verdicts.refuse("answer to events", f"{len(sent)} events have {len(results)} results", [entry.line])
            continue
        for event, result in zip(sent, results):
            if not isinstance(event, dict) or not isinstance(event.get("id"), str):
                continue
            wrong = _wrong(world, entry, event, result)
            if wrong:
                verdicts.refuse("answer to events", f"{event['id']}: {wrong}", [entry.line])
            else:
                verdicts.passed("answer to events")


def _wrong(world: World, entry: Entry, event: dict, result: dict) -> str:
    subject, key_tenant = event.get("subject"), entry.input.get("tenantId")
    tenant = world.tenants.get(key_tenant or subject)
    code, taken = result.get("code"), result["status"] in TAKEN
    if code == "SUBJECT_MISMATCH" or (key_tenant and subject and subject != key_tenant):
        is_mismatch = bool(key_tenant and subject and subject != key_tenant)
        return "" if is_mismatch != taken and is_mismatch else f"{result['status']} {code}, with the key of {key_tenant} for {subject}"
    if taken and str(event.get("type")).startswith("metrly."):
        return "accepted, though its type is reserved"
    if code in UNFOUNDED and _is_plain(world, entry, event, tenant):
        return f"rejected as {code}, and nothing is wrong with it"
    if tenant is None or event.get("time") is None:
        return ""
    lo, hi = tenant.time(entry.span)
    time = milliseconds(event["time"])
    if taken and (time < lo - OLDEST or time > hi + NEWEST):
        return f"accepted with the time {event['time']}, when the clock showed {text(lo)} to {text(hi)}"
    if code == "TIME_OUT_OF_RANGE" and hi - OLDEST <= time <= lo + NEWEST:
        return f"rejected for the time {event['time']}, when the clock showed {text(lo)} to {text(hi)}"
    if taken and time < tenant.first:
        return "accepted, though it is from before the first period"
    if code == "BEFORE_FIRST_PERIOD" and time >= tenant.first:
        return "rejected as from before the first period, which it is not"
    return _unreadable(world, entry, event) if taken else ""


def _is_plain(world: World, entry: Entry, event: dict, tenant: Optional[Tenant]) -> bool:
    """Whether an event of a tenant that is surely there has nothing that could be refused as invalid; not every good one is plain."""
    if tenant is None or not (tenant.created.sure and tenant.created.answered <= entry.sent) or set(event) - PLAIN_ATTRIBUTES:
        return False
    data = event.get("data", {})
    if event.get("specversion") != "1.0" or event.get("datacontenttype", "application/json") != "application/json" or not isinstance(data, dict):
        return False
    texts = [event.get(name) for name in ("id", "source", "type")] + list(data)
    values = list(data.values())
    if not all(isinstance(text, str) and PLAIN_TEXT.fullmatch(text) for text in texts) or event["type"].startswith("metrly."):
        return False
    if not all(PLAIN_TEXT.fullmatch(value) if isinstance(value, str) else type(value) is int and abs(value) < 2**53 for value in values):
        return False
    if event.get("time") is not None and not _is_in_time(entry, event["time"], tenant):
        return False
    read = [meter for meter in world.meters.values() if meter.event_type == event["type"] and meter.aggregation != "COUNT"]
    return all(PLAIN_NUMBER.fullmatch(str(data.get(meter.property, ""))) for meter in read)


def _is_in_time(entry: Entry, time: object, tenant: Tenant) -> bool:
    if not isinstance(time, str) or not PLAIN_TIME.fullmatch(time):
        return False
    lo, hi = tenant.time(entry.span)
    return max(tenant.first, hi - OLDEST) <= milliseconds(time) <= lo + NEWEST


def _unreadable(world: World, entry: Entry, event: dict) -> str:
    for meter in world.meters.values():
        is_known = meter.created.sure and meter.created.answered <= entry.sent and not meter.archived
        if is_known and meter.event_type == event["type"] and meter.aggregation != "COUNT":
            read = (event.get("data") or {}).get(meter.property)
            try:
                if read is None or (meter.aggregation != "UNIQUE" and number(read) is None):
                    return f"accepted without a value for {meter.key}"
            except (InvalidOperation, ValueError):
                return f"accepted with the value {read!r} for {meter.key}"
    return ""


def judge_totals(world: World, tenant: Tenant, verdicts: Verdicts) -> None:
    for look in of(tenant.history, "usageTotals"):
        if look.sure and look.input.get("asOf") is None:
            _totals(world, tenant, look, verdicts)


def _totals(world: World, tenant: Tenant, look: Entry, verdicts: Verdicts) -> None:
    given = look.input.get("periodStart")
    if given is None:
        starts = {period_start(tenant.anchor, at) for at in tenant.time(look.span)}
        if len(starts) > 1:
            return
        start = starts.pop()
    else:
        start = milliseconds(given)
    end = next_start(tenant.anchor, start)
    length = BUCKETS.get(look.input.get("granularity"))
    grouped = look.input.get("groupBy") or []
    shown: dict[tuple, Fraction] = {}
    for total in look.answer:
        values = tuple(sorted((d["dimension"], d["value"]) for d in total.get("dimensions") or []))
        begin, finish = _span_of(total, start, end, length)
        whole = (start, end) if length is None else (begin // length * length, begin // length * length + length)
        verdicts.fact(f"span of a total: {tenant.id} {total['meter']}", [text(at) for at in whole], [text(begin), text(finish)], [look.line], (begin, finish) == whole)
        key = (total["meter"], values, begin)
        if key in shown:
            verdicts.refuse("total", f"{tenant.id} shows {key} twice", [look.line])
        shown[key] = number(total["quantity"])
    for meter in world.meters.values():
        if look.input.get("meter") not in (None, meter.key):
            continue
        names = [name for name in grouped if name in meter.dimensions]
        spans = _spans(world.by_tenant[tenant.id], meter, start, end, length)
        if spans is None:
            shown = {key: found for key, found in shown.items() if key[0] != meter.key}
            continue
        for (begin, finish), events in spans.items():
            combinations = {()} if not grouped else {
                tuple(sorted((name, str(v.data.get(name, ""))) for name in names))
                for e in events for v in e.variants if v.type == meter.event_type
            }
            for combination in combinations:
                wanted = lambda values, c=combination: all(values.get(name) == one for name, one in c)
                allowed, lines = quantity(events, meter, begin, finish, world.view(look), wanted)
                found = shown.pop((meter.key, combination, begin), Fraction(0))
                verdicts.fact(f"total: {tenant.id} {meter.key} {combination} from {text(begin)}", allowed, plain(found), [look.line] + lines, found in allowed)
    for key, found in shown.items():
        verdicts.fact(f"total: {tenant.id} {key}", "nothing: nobody sent such usage", plain(found), [look.line], found == 0)


def _span_of(total: dict, start: int, end: int, length: Optional[int]) -> tuple[int, int]:
    """What a total says that it is of; if it does not, what it has to be of."""
    begin = start if total.get("from") is None else milliseconds(total["from"])
    if total.get("to") is not None:
        return begin, milliseconds(total["to"])
    return begin, end if length is None else begin + length


def _spans(events: list[Event], meter, start: int, end: int, length: Optional[int]) -> Optional[dict[tuple[int, int], list[Event]]]:
    """The hours or days (UTC) with usage, and the events that may be in each; None if it is unknown which hold some event."""
    if length is None:
        return {(start, end): events}
    spans: dict[tuple[int, int], list[Event]] = {}
    for event in events:
        begins = []
        for variant in event.variants:
            if variant.type == meter.event_type:
                of_variant = {time // length for time in variant.time}
                if len(of_variant) > 1:
                    return None
                begins += [int(one) * length for one in of_variant]
        for begin in dict.fromkeys(begins):
            if start <= begin < end:
                spans.setdefault((begin, begin + length), []).append(event)
    return spans


def judge_accounting(world: World, tenant: Tenant, verdicts: Verdicts) -> None:
    """The identity holds at any time, and its terms are what clients were told (of the last looks: clients that wait ask often)."""
    looks = [look for look in of(tenant.history, "accounting") if look.sure]
    may_be_quarantined = bool(looks) and _may_be_quarantined(world, tenant)
    items = _items(world, tenant) if looks else []
    for look in looks:
        terms = {name: int(number(amount)) for name, amount in look.answer.items() if name not in ("id", "asOf")}
        parts = sum(terms[name] for name in ("counted", "duplicates", "unmetered", "quarantined", "inFlight"))
        verdicts.fact(f"accounting: {tenant.id}", f"accepted {parts}", f"accepted {terms['accepted']}", [look.line], terms["accepted"] == parts)
        least_term = min(terms.values())
        verdicts.fact(f"accounting: {tenant.id}", "no term below 0", least_term, [look.line], least_term >= 0)
        if look not in looks[-LAST_LOOKS:]:
            continue
        view = world.view(look)
        if not _may_be_in_flight(world, tenant, view):
            verdicts.fact(f"accounting of events: {tenant.id} inFlight", "0: everything was acknowledged before a rest", terms["inFlight"], [look.line], terms["inFlight"] == 0)
        least = _quarantined_at_least(world, tenant, view)
        verdicts.fact(f"accounting of events: {tenant.id} quarantined", f"at least {least}", terms["quarantined"], [look.line], terms["quarantined"] >= least)
        if not may_be_quarantined:
            verdicts.fact(f"accounting of events: {tenant.id} quarantined", "0: no id has two contents", terms["quarantined"], [look.line], terms["quarantined"] == 0)
        least = sum(status == "accepted" and entry.answered <= view.lo for entry, status in items)
        most = sum(entry.sent < view.hi for entry, _ in items) if of(world.history, "once") else terms["accepted"]
        verdicts.fact(f"accounting of events: {tenant.id} accepted", f"between {least} and {most}", terms["accepted"], [look.line], least <= terms["accepted"] <= most)
        for name, (least, most) in _bounds(world, tenant, view).items():
            verdicts.fact(f"accounting of events: {tenant.id} {name}", f"between {least} and {most}", terms[name], [look.line], least <= terms[name] <= most)


def _items(world: World, tenant: Tenant) -> list[tuple[Entry, Optional[str]]]:
    """What the log has of a tenant's items, as far as clients know: those that were accepted, and (None) those without an answer."""
    found = []
    for entry in of(world.history, "events"):
        if entry.possible:
            answers = entry.answer["results"] if entry.sure else [{}] * len(entry.input["events"])
            for sent, result in zip(entry.input["events"], answers):
                status = result.get("status")
                if isinstance(sent, dict) and status in (None, "accepted") and (entry.input.get("tenantId") or sent.get("subject")) == tenant.id:
                    found.append((entry, status))
    return found


def _may_be_in_flight(world: World, tenant: Tenant, view: Span) -> bool:
    """Whether something was sent whose answer did not come before the last rest."""
    return any(
        entry.possible and entry.sent < view.hi and not (entry.sure and entry.answered <= view.lo)
        for entry in of(world.history, "events")
        if entry.input.get("tenantId") in (None, tenant.id)
        and (entry.input.get("tenantId") or any(isinstance(e, dict) and e.get("subject") == tenant.id for e in entry.input["events"]))
    )


def _may_be_quarantined(world: World, tenant: Tenant) -> bool:
    events = world.by_tenant[tenant.id]
    variants = [variant for event in events for variant in event.variants]
    for meter in world.meters.values():
        mine = [variant for variant in variants if variant.type == meter.event_type]
        if len({tuple(dimensions(variant, meter).items()) for variant in mine}) > MOST_VALUES or any(value(v, meter) is None for v in mine):
            return True
    return any(event.is_contested for event in events)


def _quarantined_at_least(world: World, tenant: Tenant, view: Span) -> int:
    """An id's other contents, each acknowledged before a rest, as long as nobody has decided about any."""
    if of(tenant.history, "resolveQuarantined"):
        return 0
    total = 0
    for event in world.by_tenant[tenant.id]:
        contents: list[tuple] = []
        for variant in event.variants:
            # Numbers and not their texts: 1.0 is 1.
            if variant.acknowledged <= view.lo and (variant.type, variant.data) not in contents:
                contents.append((variant.type, variant.data))
        total += max(0, len(contents) - 1)
    return total


def _bounds(world: World, tenant: Tenant, view: Span) -> dict[str, tuple[int, int]]:
    bounds = {"counted": [0, 0], "unmetered": [0, 0]}
    for event in world.by_tenant[tenant.id]:
        answers = set()
        for variant in event.variants:
            known = {m.counts(variant, view) for m in world.meters.values() if m.event_type == variant.type}
            answers.add("yes" if "yes" in known else "maybe" if "maybe" in known else "no")
        is_there = any(v.acknowledged <= view.lo for v in event.variants)
        may_be = any(v.sent < view.hi for v in event.variants)
        bounds["counted"][0] += is_there and answers == {"yes"}
        bounds["counted"][1] += may_be and answers != {"no"}
        bounds["unmetered"][0] += is_there and answers == {"no"}
        bounds["unmetered"][1] += may_be and answers != {"yes"}
    return {name: (least, most) for name, (least, most) in bounds.items()}


