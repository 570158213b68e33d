"""Alerts: each crossing of a threshold is reported once, and nothing else is."""

from __future__ import annotations

from fractions import Fraction

from dataclasses import replace

from events import Event, contributions, dimensions
from history import NEVER, Entry, Span, of
from limits import Counted, Limit, limits_in, matches, matches_of, shown_key
from money import lowest_at_end, most_at_all
from possible import plain
from prices import number
from times import PERIODS, WINDOW, milliseconds, text
from verdicts import Verdicts
from world import Tenant, World


def judge_alerts(world: World, tenant: Tenant, verdicts: Verdicts) -> None:
    looks = [entry for entry in of(tenant.history, "alerts") if entry.sure]
    if not looks:
        return
    look = looks[-1]
    _unchanged(tenant, looks, verdicts)
    found: dict[tuple, str] = {}
    limits = _ever(world, tenant, look)
    for ordinal, alert in enumerate(sorted(look.answer, key=lambda one: int(one["sequence"])), 1):
        verdicts.fact(f"sequence of alerts: {tenant.id}", ordinal, alert["sequence"], [look.line], int(alert["sequence"]) == ordinal)
        key = (alert["kind"], shown_key(alert, alert), milliseconds(alert["windowStart"]), number(alert["threshold"]), number(alert["limit"]))
        if key in found or alert["id"] in found.values():
            verdicts.refuse("repeated alert", f"{tenant.id}: {alert['id']} says what another one says", [look.line])
        found[key] = alert["id"]
        _justified(world, tenant, look, alert, limits, verdicts)
    _crossings(world, tenant, look, found, verdicts)
    _denials(world, tenant, look, found, verdicts)


def _unchanged(tenant: Tenant, looks: list[Entry], verdicts: Verdicts) -> None:
    """An alert that was shown stays, as it was."""
    *earlier, last = looks
    shown = {alert["id"]: alert for alert in last.answer}
    lost: dict[str, Entry] = {}
    for look in earlier:
        if look.answered <= last.sent:
            lost.update({alert["id"]: look for alert in look.answer if shown.get(alert["id"]) != alert})
    for id, look in lost.items():
        now = "another one" if id in shown else "none"
        verdicts.fact(f"alert that was shown: {tenant.id} {id}", "the same alert", now, [look.line, last.line], False)
    if earlier and not lost:
        verdicts.passed("alert that was shown")


def _ever(world: World, tenant: Tenant, look: Entry) -> dict[tuple, Limit]:
    """The limits with all values that may have been in force until now."""
    changes = of(tenant.history, "createTenant", "advanceTestClock", "changePlan", "setQuotaOverride")
    found: dict[tuple, Limit] = {}
    for span in [e.span for e in changes] + [look.span]:
        for key, limit in limits_in(world, tenant, span).items():
            found.setdefault(key, limit).values.update(limit.values)
    return found


def _justified(world: World, tenant: Tenant, look: Entry, alert: dict, limits: dict[tuple, Limit], verdicts: Verdicts) -> None:
    """Usage may have reached what the alert says, or a denial with nothing left may have raised it."""
    key, combination = shown_key(alert, alert), matches_of(alert.get("dimensions"))
    limit = next((one for one in limits.values() if replace(one, combination=combination).key == key and {name for name, _ in combination} == set(one.by)), None)
    limit = limit and replace(limit, combination=combination)
    if limit is None or number(alert["limit"]) not in limit.values:
        verdicts.refuse("alert", f"{tenant.id} {alert['id']}: no such limit was ever in force", [look.line])
        return
    needed = number(alert["limit"]) * number(alert["threshold"])
    most = _reached(world, tenant, limit, milliseconds(alert["windowStart"]), Span(-NEVER, look.answered), is_highest=True)
    decisions = of(tenant.history, "consume")
    is_denial = alert["kind"] == "EXCEEDED" and any(e.outcome == "unknown" or (e.sure and denied_by(e, limit)) for e in decisions)
    if alert["kind"] == "WARNING" and alert.get("used") is not None:
        what, used = f"used by an alert: {tenant.id} {limit.key} from {alert['windowStart']}", number(alert["used"])
        verdicts.fact(what, f"between {plain(needed)} and {plain(most)}", plain(used), [look.line] + limit.lines, needed <= used <= most or most < needed)
    verdicts.fact(
        f"alert: {tenant.id} {alert['kind']} {limit.key} from {alert['windowStart']}", f"usage of at least {plain(needed)}",
        f"at most {plain(most)}", [look.line] + limit.lines, most >= needed or is_denial,
    )


def denied_by(entry: Entry, limit: Limit) -> bool:
    """Whether this hard limit denied a request with nothing remaining."""
    return entry.answer.get("reason") == "LIMIT_EXCEEDED" and any(
        shown_key(one, one) == limit.key and one["kind"] == "HARD" and number(one["remaining"]) <= 0
        for one in entry.answer.get("limits") or []
    )


def aligned(tenant: Tenant, window: str, time: float) -> tuple[int, int]:
    """The UTC second, minute, hour or day, the calendar's day, week or month, or the billing period that holds the time."""
    if window in PERIODS:
        return tenant.period_at(window, time)
    start = int(time // WINDOW[window]) * WINDOW[window]
    return start, start + WINDOW[window]


def _reached(world: World, tenant: Tenant, limit: Limit, start: int, view: Span, is_highest: bool) -> Fraction:
    """What usage of a window reached: at most (all that is positive), or at the end at least."""
    if limit.unit == "MONEY":
        return (most_at_all if is_highest else lowest_at_end)(world, tenant, start, view)
    counted = Counted(world, tenant, limit)
    if counted.meter is None:
        return Fraction(0)
    total = Fraction(0)
    for event in counted.events:
        found = contributions(event, counted.meter, *aligned(tenant, limit.window, start), limit.wants, view)
        if any(variant.sent < limit.since for variant in event.variants):
            found = found | {None}
        parts = [Fraction(0) if part is None else part.value for part in found]
        total += max(*parts, Fraction(0)) if is_highest else min(parts)
    return total


def _crossings(world: World, tenant: Tenant, look: Entry, found: dict[tuple, str], verdicts: Verdicts) -> None:
    """Each threshold that usage has certainly crossed, in a window that was not long over, has its alert."""
    if of(tenant.history, "setQuotaOverride", "changePlan"):
        return
    for limit in _instances(world, tenant, limits_in(world, tenant, look.span)):
        counted = Counted(world, tenant, limit)
        value = min(limit.values)
        events = world.by_tenant[tenant.id] if limit.unit == "MONEY" else counted.events
        for start in {aligned(tenant, limit.window, v.time[0])[0] for e in events for v in e.variants}:
            if not _in_time(world, tenant, limit, events, start) or value == 0:
                continue
            reached = _reached(world, tenant, limit, start, world.view(look), is_highest=False)
            for kind, threshold in [("WARNING", one) for one in limit.warn_at] + [("EXCEEDED", Fraction(1))]:
                if reached >= value * threshold:
                    there = (kind, limit.key, start, threshold, value) in found
                    verdicts.fact(
                        f"missing alert: {tenant.id} {kind} {limit.key} at {plain(threshold)} from {text(start)}", "an alert",
                        "an alert" if there else f"none, with {plain(reached)} of {plain(value)} used", [look.line] + limit.lines, there,
                    )


def _instances(world: World, tenant: Tenant, limits: dict[tuple, Limit]) -> list[Limit]:
    """Each limit, and of those with `by` each combination that usage has. What money is spent on is every meter."""
    found = []
    for limit in limits.values():
        if not limit.by:
            found.append(limit)
            continue
        meter = world.meters.get(limit.meter)
        values = [dimensions(v, meter) for e in world.by_tenant[tenant.id] for v in e.variants if meter and v.type == meter.event_type]
        found += [replace(limit, combination=one) for one in {matches((name, each.get(name, "")) for name in limit.by) for each in values}]
    return found


def _in_time(world: World, tenant: Tenant, limit: Limit, events: list[Event], start: int) -> bool:
    """Whether all usage of a window was certainly recorded before the window was over for its own length."""
    begin, end = aligned(tenant, limit.window, start)
    return all(
        tenant.time(Span(variant.sent, world.recorded_by(variant)))[1] < end + (end - begin)
        for event in events
        for variant in event.variants
        if begin <= variant.time[0] < end
    )


def _denials(world: World, tenant: Tenant, look: Entry, found: dict[tuple, str], verdicts: Verdicts) -> None:
    """A hard limit that denied with nothing remaining has said so."""
    for entry in of(tenant.history, "consume"):
        if not entry.sure or entry.answered > world.view(look).lo:
            continue
        for one in entry.answer.get("limits") or []:
            limit_key = shown_key(one, one)
            if one.get("dimensions") and number(one["used"]) + number(one["reserved"]) == 0:
                # A combination in which nothing counts.
                continue
            if entry.answer.get("reason") == "LIMIT_EXCEEDED" and one["kind"] == "HARD" and number(one["remaining"]) <= 0:
                there = any(key[0] == "EXCEEDED" and key[1] == limit_key for key in found)
                verdicts.fact(f"missing alert: {tenant.id} EXCEEDED {limit_key} after a denial", "an alert", "an alert" if there else "none", [look.line, entry.line], there)
