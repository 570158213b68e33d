"""Decisions: nothing beyond a hard limit is admitted, and nothing is denied while there is room."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Optional

from events import Event
from history import NEVER, Entry, Span, of
from limits import Admission, Counted, Limit, admissions, amounts_of, limits_in, matches_of, shown_key
from money import judge_spending, judge_spent, most_spent
from possible import Possible, plain
from prices import number
from quantities import quantity
from times import PERIODS, period_start
from verdicts import Verdicts
from world import Tenant, World

#: Reasons that say that the tenant's own use denies.
FULL = ("LIMIT_EXCEEDED", "AMOUNT_EXCEEDS_LIMIT")
ALLOWING = ("WITHIN_LIMITS", "NO_LIMITS", "SOFT_LIMIT_EXCEEDED", "DEGRADED")
DENYING = (*FULL, "COUNTER_REBUILDING", "TENANT_SUSPENDED", "TENANT_CLOSED")


def judge_decisions(world: World, tenant: Tenant, verdicts: Verdicts) -> None:
    counted: dict[tuple, Counted] = {}
    for entry in of(tenant.history, "consume", "check"):
        if not entry.sure:
            continue
        limits = limits_in(world, tenant, entry.span)
        amounts = amounts_of(entry.input)
        values = entry.input.get("dimensions") or {}
        concerned = [limit.of_request(values) for limit in limits.values() if limit.meter is None or limit.meter in amounts]
        applying = [limit for limit in concerned if limit is not None and limit.unit != "MONEY"]
        spend = [limit for limit in concerned if limit is not None and limit.unit == "MONEY"]
        for limit in applying:
            one = counted.setdefault(limit.key, Counted(world, tenant, limit))
            one.limit = limit
        pairs = [(limit, counted[limit.key]) for limit in applying]
        _reason(tenant, entry, verdicts)
        if entry.answer["reason"] in ("WITHIN_LIMITS", "SOFT_LIMIT_EXCEEDED", *FULL):
            _numbers(tenant, entry, {limit.key: limit for limit in applying + spend}, verdicts)
            for limit, one in pairs:
                if limit.kinds == {"HARD"} and one.meter is not None:
                    _shows_what_counts(world, entry, limit, one, verdicts)
        if entry.answer["allowed"]:
            for limit, one in pairs:
                if limit.kinds == {"HARD"}:
                    _not_overspent(world, entry, amounts, limit, one, verdicts)
            for limit in spend:
                if limit.kinds == {"HARD"} and entry.op == "consume":
                    judge_spending(world, tenant, entry, limit, verdicts)
        elif entry.answer.get("reason") in FULL:
            _not_denied_early(tenant, entry, amounts, pairs, [most_spent(world, tenant, entry, limit) > min(limit.values) for limit in spend if "HARD" in limit.kinds], verdicts)
    _same_key(world, tenant, verdicts)
    _releases(world, tenant, verdicts)


def _reason(tenant: Tenant, entry: Entry, verdicts: Verdicts) -> None:
    """A closed list; some reasons need something that has happened."""
    reason, allowed = entry.answer["reason"], entry.answer["allowed"]
    cause = {"TENANT_SUSPENDED": "suspendTenant", "TENANT_CLOSED": "closeTenant"}.get(reason)
    happened = cause is None or any(e.possible and e.sent < entry.answered for e in of(tenant.history, cause))
    known = ALLOWING if allowed else DENYING
    observed = f"{reason}{'' if happened else f', without {cause}'}"
    verdicts.fact(f"reason of a decision: {tenant.id}", f"one of {', '.join(known)}", observed, [entry.line], reason in known and happened)


def _numbers(tenant: Tenant, entry: Entry, limits: dict[tuple, Limit], verdicts: Verdicts) -> None:
    """A decision explains itself: the limits in force, and what is left of each."""
    shown = {shown_key(one, one): one for one in entry.answer.get("limits") or []}
    for key, one in shown.items():
        limit = limits.get(key)
        what = f"limit in a decision: {tenant.id} {key} {entry.input.get('idempotencyKey')}"
        if limit is None:
            verdicts.refuse("limit in a decision", f"{what}: no plan has it", [entry.line])
            continue
        verdicts.fact(what, [plain(v) for v in limit.values], one["limit"], [entry.line] + limit.lines, number(one["limit"]) in limit.values)
        left = number(one["limit"]) - number(one["used"]) - number(one["reserved"])
        verdicts.fact(f"remainder in a decision: {tenant.id} {key}", plain(max(left, Fraction(0))), one["remaining"], [entry.line], number(one["remaining"]) == max(left, Fraction(0)))
    missing = sorted(str(key) for key in set(limits) - set(shown))
    if missing:
        verdicts.refuse("limit in a decision", f"{tenant.id}: {missing} are not shown", [entry.line])


def _shows_what_counts(world: World, entry: Entry, limit: Limit, one: Counted, verdicts: Verdicts) -> None:
    """What was certainly recorded, and what is certainly held all the time of the request, is in what it shows."""
    held, mine = one.held_throughout(entry.span)
    least = one.usage_at_least(world.view(entry), entry.span, {a.key for a in mine}) + held - one.negative(entry.span)
    for shown in entry.answer.get("limits") or []:
        if shown_key(shown, shown) == limit.key:
            found = number(shown["used"]) + number(shown["reserved"])
            lines = [entry.line] + limit.lines + [a.entry.line for a in mine]
            verdicts.fact(f"used and reserved in a decision: {one.tenant.id} {limit.key}", f"at least {plain(least)}", plain(found), lines, found >= least)


def _not_overspent(world: World, entry: Entry, amounts: dict, limit: Limit, one: Counted, verdicts: Verdicts) -> None:
    if entry.op == "consume":
        _fits_together(world, entry, limit, one, verdicts)
    if one.meter is not None:
        _fits_with_usage(world, entry, amounts, limit, one, verdicts)


def _fits_together(world: World, entry: Entry, limit: Limit, one: Counted, verdicts: Verdicts) -> None:
    """Everything that is certainly held at the answer was held when the last of it was admitted: together it fits."""
    held, by = one.held(entry.answered)
    # The limit may have been higher when an earlier one was admitted.
    earliest = min([a.entry.sent for a in by], default=entry.sent)
    span = Span(earliest, entry.answered)
    most = max(limit_values(world, one, span))
    room = most + one.negative(span) if one.meter else most
    lines = [a.entry.line for a in by] + limit.lines + [entry.line]
    verdicts.fact(f"hard limit: {one.tenant.id} {limit.key}", f"at most {plain(room)}", f"{plain(held)} admitted together", lines, held <= room)


def _fits_with_usage(world: World, entry: Entry, amounts: dict, limit: Limit, one: Counted, verdicts: Verdicts) -> None:
    """With what was certainly recorded and counted before it was asked. A `check` must not say otherwise, unless its key may be in use."""
    lines, key = limit.lines + [entry.line], entry.input.get("idempotencyKey")
    if entry.op == "check" and (key in one.by_id or any(a.key == key for a in one.admissions)):
        return
    before, mine = one.held(entry.sent) if entry.op == "consume" else one.held_throughout(entry.span)
    own = Fraction(0) if any(a.key == entry.input.get("idempotencyKey") for a in mine) else amounts[limit.meter]
    if own == 0:
        return
    used = one.usage_at_least(world.view(entry), entry.span, {a.key for a in mine} | {entry.input.get("idempotencyKey")})
    total, room = used + before + own, max(limit.values) + one.negative(entry.span)
    verdicts.fact(
        f"hard limit with usage: {one.tenant.id} {limit.key}", f"at most {plain(room)}",
        f"{plain(used)} used, {plain(before)} held, {plain(own)} admitted", lines, total <= room,
    )


def limit_values(world: World, one: Counted, span: Span) -> set[Fraction]:
    limit = limits_in(world, one.tenant, span).get(one.limit.key)
    return (limit.values if limit else set()) | one.limit.values


def _not_denied_early(tenant: Tenant, entry: Entry, amounts: dict, pairs: list[tuple[Limit, Counted]], spent: list[bool], verdicts: Verdicts) -> None:
    """A denial for lack of room needs a hard limit that may have had none."""
    reasons = []
    for limit, one in pairs:
        if "HARD" in limit.kinds:
            amount = Fraction(1) if limit.meter is None else amounts[limit.meter]
            reasons.append((limit, one.open_at_most(entry.span) + one.usage_at_most(entry.span) + amount))
    lines = [entry.line] + [line for limit, _ in pairs for line in limit.lines]
    shown = "; ".join(f"{limit.key}: at most {plain(most)} of {plain(min(limit.values))}" for limit, most in reasons)
    is_full = any(spent) or any(most > min(limit.values) or min(limit.values) == 0 for limit, most in reasons)
    verdicts.fact(f"denial: {tenant.id} {entry.input.get('idempotencyKey')}", "only where a hard limit has no room", shown or "no hard limit applies", lines, is_full)


def _same_key(world: World, tenant: Tenant, verdicts: Verdicts) -> None:
    """While a key lives, the same request gets the same decision, and another one a conflict."""
    faults = of(world.history, "fault")
    for one in admissions(tenant):
        if not one.is_sure or not one.entry.answer.get("expiresAt"):
            continue
        for again in of(tenant.history, "consume"):
            if again is one.entry or again.input["idempotencyKey"] != one.key or again.sent < one.entry.answered or not again.sure:
                continue
            is_alive = tenant.time(again.span)[1] < one.expires and not any(r.sent < again.answered for r in one.releases)
            if not is_alive or any(f.answered > one.entry.sent and f.sent < again.answered for f in faults):
                continue
            # Others deny anything: a suspended tenant's, or those of counters that are being rebuilt.
            if not again.answer["allowed"] and again.answer["reason"] not in FULL:
                continue
            lines = [one.entry.line, again.line]
            if amounts_of(again.input) != one.amounts:
                verdicts.refuse("same key", f"{tenant.id} {one.key}: another request with a live key was decided", lines)
            else:
                verdicts.fact(f"same key: {tenant.id} {one.key}", "allowed, as before", "allowed" if again.answer["allowed"] else "denied", lines, again.answer["allowed"])


def _releases(world: World, tenant: Tenant, verdicts: Verdicts) -> None:
    """A release gives back what is certainly open, and nothing that nobody may have reserved."""
    known = admissions(tenant)
    for entry in of(tenant.history, "release"):
        if not entry.sure or "released" not in (entry.answer or {}):
            continue
        key, mine = entry.input["idempotencyKey"], [one for one in known if one.key == entry.input["idempotencyKey"]]
        what, lines = f"release: {tenant.id} {key}", [entry.line] + [one.entry.line for one in mine]
        if entry.answer["released"]:
            may_be = any(one.entry.sent < entry.answered for one in mine)
            verdicts.fact(what, "released, if somebody may have reserved it", "released", lines, may_be)
        else:
            is_open = any(_is_open(world, tenant, one, entry) for one in mine)
            verdicts.fact(what, "not released, unless it is open", "not released", lines, not is_open)


def _is_open(world: World, tenant: Tenant, one: Admission, release: Entry) -> bool:
    """Whether an admission certainly holds something when it is released: nothing can have ended or lost it before."""
    if not one.is_sure or one.entry.answered > release.sent or one.entry.answer["reason"] not in ("WITHIN_LIMITS", "SOFT_LIMIT_EXCEEDED"):
        return False
    limited = {shown.get("meter") for shown in one.entry.answer.get("limits") or []}
    if not any(amount > 0 and meter in limited for meter, amount in one.amounts.items()):
        return False
    if one.expires == NEVER or tenant.time(release.span)[1] >= one.expires:
        return False
    ended = [other for other in one.releases if other is not release and other.sent < release.answered]
    settled = [v for e in world.by_tenant[tenant.id] if e.id == one.key for v in e.variants if v.sent < release.answered]
    lost = [e for e in of(world.history, "fault") if e.answered > one.entry.sent and e.sent < release.answered]
    other_terms = [e for e in of(tenant.history, "changePlan", "cancelPlanChange", "closeTenant") if e.possible and e.sent < release.answered]
    return not (ended or settled or lost or other_terms)


def judge_quotas(world: World, tenant: Tenant, verdicts: Verdicts) -> None:
    """What `quotas` shows: the limits in force, what was recorded, and what is reserved."""
    for look in of(tenant.history, "quotas"):
        if not look.sure:
            continue
        limits = limits_in(world, tenant, look.span)
        shown = {shown_key(one, one["limit"]): one for one in look.answer}
        named, by = {limit.key for limit in limits.values() if not limit.by}, [limit for limit in limits.values() if limit.by]
        known = {limit.key: limit for limit in limits.values() if not limit.by}
        for key, one in shown.items():
            combination = matches_of(one.get("dimensions"))
            of_by = next((limit for limit in by if replace(limit, combination=combination).key == key and {name for name, _ in combination} == set(limit.by)), None)
            if of_by is not None:
                known[key] = replace(of_by, combination=combination)
        if not named <= set(shown) <= set(known) and len({period_start(tenant.anchor, at) for at in tenant.time(look.span)}) == 1:
            verdicts.refuse("limits shown", f"{tenant.id} shows {sorted(map(str, shown))}, and has {sorted(map(str, known))}", [look.line])
        for key, one in shown.items():
            if key in known:
                _status(world, tenant, look, known[key], one, verdicts)


def _status(world: World, tenant: Tenant, look: Entry, limit: Limit, one: dict, verdicts: Verdicts) -> None:
    what = f"{tenant.id} {limit.key}"
    lines = [look.line] + limit.lines
    verdicts.fact(f"limit shown: {what}", [plain(v) for v in limit.values], one["limit"]["limit"], lines, number(one["limit"]["limit"]) in limit.values)
    if limit.unit == "MONEY":
        judge_spent(world, tenant, look, limit, one, verdicts)
        return
    counted = Counted(world, tenant, limit)
    view = world.view(look)
    allowed, used_lines = used(counted, look.span, view)
    if allowed is not None:
        verdicts.fact(f"used: {what}", allowed, one["used"], lines + used_lines, number(one["used"]) in allowed)
    if limit.meter is not None:
        # A reservation may be settled by an event that need not have been processed yet.
        least = Fraction(0)
        for a in counted.held(look.sent)[1]:
            if not any(v.sent < look.answered for e in counted.by_id.get(a.key, []) for v in e.variants):
                least += a.amount(limit.meter) if limit.window not in ("SECOND", "MINUTE") else 0
        most = counted.open_at_most(Span(look.sent, look.answered))
        found = number(one["reserved"])
        verdicts.fact(f"reserved: {what}", f"between {plain(least)} and {plain(most)}", one["reserved"], lines + [a.entry.line for a in counted.admissions], least <= found <= most or bool(of(world.history, "fault")))


def used(counted: Counted, span: Span, view: Span) -> tuple[Optional[Possible], list[int]]:
    """What a limit may show as used: by its period, or between a strict and a longer window."""
    if counted.meter is None or counted.limit.window in ("SECOND", "MINUTE"):
        return None, []
    events: list[Event] = counted.events
    start, end = counted.window(span, False)
    if counted.limit.window in PERIODS:
        if start > end:
            return None, []
        return quantity(events, counted.meter, start, end, view, counted.limit.wants) if counted.limit.since == -NEVER else (None, [])
    if counted.limit.since != -NEVER:
        return None, []
    narrow, lines = quantity(events, counted.meter, start, end, view, counted.limit.wants)
    wide, more = quantity(counted.with_voided(), counted.meter, *counted.window(span, True), view, counted.limit.wants)
    return Possible(None, min(narrow.lo, wide.lo), max(narrow.hi, wide.hi)), lines + more


