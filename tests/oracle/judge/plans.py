"""Which plan version a period has, and what its fee and commit are."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Optional

from history import NEVER, Entry, Span, of
from prices import number, rounded
from times import DAY, milliseconds, next_start, period_start, text
from verdicts import Verdicts
from world import Tenant, World


@dataclass
class Assignment:
    start: float
    plans: set[str]
    is_sure: bool
    lines: list[int]


def newest(world: World, plan: str, span: Span) -> set[str]:
    """The versions that may be a plan's newest in this span."""
    versions = [(ref, e) for ref, (_, e) in world.plans.items() if ref.rsplit("@", 1)[0] == plan and e.sent < span.hi]
    sure = [ref for ref, e in versions if e.sure and e.answered <= span.lo]
    last = max((int(ref.rsplit("@", 1)[1]) for ref in sure), default=0)
    return {ref for ref, _ in versions if int(ref.rsplit("@", 1)[1]) >= last}


def assignments(world: World, tenant: Tenant) -> list[Assignment]:
    """What was assigned, in the order of the periods that it starts with; what may not have happened is not sure."""
    found: list[Assignment] = []
    plan = tenant.created.input.get("planId")
    if plan is not None:
        found.append(Assignment(tenant.first, newest(world, plan, tenant.created.span), True, [tenant.created.line]))
    for entry in of(tenant.history, "changePlan", "cancelPlanChange"):
        if not entry.possible:
            continue
        now = tenant.time(entry.span)[0]
        if entry.op == "cancelPlanChange":
            pending = [one for one in found if one.start > now]
            found = [one for one in found if one not in pending]
            found += [] if entry.sure else [Assignment(one.start, one.plans, False, one.lines) for one in pending]
            continue
        if entry.sure:
            start = milliseconds(entry.answer["effectiveFrom"])
            found = [one for one in found if one.start < start or one.start <= now]
            found.append(Assignment(start, {entry.answer["plan"]["id"]}, True, [entry.line]))
        else:
            start = next_start(tenant.anchor, period_start(tenant.anchor, now)) if found else tenant.first
            version = entry.input.get("version")
            plans = {f"{entry.input['planId']}@{version}"} if version else newest(world, entry.input["planId"], Span(entry.sent, NEVER))
            found.append(Assignment(start, plans, False, [entry.line]))
    return sorted(found, key=lambda one: one.start)


def plans_of(world: World, tenant: Tenant, period: float) -> tuple[set[Optional[str]], list[int]]:
    """The plan versions that may apply to the period that starts then; None is no plan."""
    plans: set[Optional[str]] = {None}
    lines: list[int] = [tenant.created.line]
    for one in assignments(world, tenant):
        if one.start <= period:
            plans = set(one.plans) if one.is_sure else plans | one.plans
            lines += one.lines
    return plans, lines


def judge_changes(world: World, tenant: Tenant, verdicts: Verdicts) -> None:
    """A change of plan starts with the next period; a first plan with the earliest period whose grace time has not passed."""
    known: list[tuple[float, str]] = []
    plan = tenant.created.input.get("planId")
    if plan is not None and tenant.created.sure:
        known = [(tenant.first, ref) for ref in newest(world, plan, tenant.created.span)]
    for entry in of(tenant.history, "changePlan", "cancelPlanChange"):
        lo, hi = tenant.time(entry.span)
        if not entry.sure:
            return
        if entry.op == "cancelPlanChange":
            known = [(start, ref) for start, ref in known if start <= lo]
            continue
        start, ref = milliseconds(entry.answer["effectiveFrom"]), entry.answer["plan"]["id"]
        version = entry.input.get("version")
        asked = {f"{entry.input['planId']}@{version}"} if version else newest(world, entry.input["planId"], entry.span)
        if any(begun <= hi for begun, _ in known):
            allowed = {next_start(tenant.anchor, period_start(tenant.anchor, at)) for at in (lo, hi)}
            current = [(begun, applied) for begun, applied in known if begun <= hi]
            allowed |= {begun for begun, applied in current[-1:] if applied in asked}
        else:
            allowed = {_first_open(tenant, at) for at in (lo, hi)}
        verdicts.fact(
            f"start of a plan: {tenant.id} to {ref}", [text(one) for one in sorted(allowed)], text(start), [entry.line],
            start in allowed and ref in asked,
        )
        known = [(begun, applied) for begun, applied in known if begun < start] + [(start, ref)]


def _first_open(tenant: Tenant, now: float) -> int:
    start = tenant.first
    created = -NEVER if tenant.has_test_clock else tenant.time(tenant.created.span)[0]
    while max(next_start(tenant.anchor, start), created) + tenant.grace_days()[1] * DAY <= now:
        start = next_start(tenant.anchor, start)
    return start


def fees(tenant: Tenant, plan: dict, start: int, end: int) -> set[tuple[Fraction, Fraction]]:
    """The recurring fees, rounded, and the minimum commits that the period may have."""
    whole = (end - start) // DAY
    found = set()
    for first, last, paused in _partial(tenant, start, end):
        charged = range(whole)
        if plan.get("recurringFeeProration") == "DAILY":
            charged = range(max(0, int((first - start) // DAY)), min(whole, int((last - start) // DAY) + 1))
        fee = number(plan.get("recurringFee") or 0) * len([day for day in charged if day not in paused]) / whole
        commit = number(plan.get("minimumCommit") or 0) * (whole - len(paused)) / whole
        found.add((rounded(fee, plan["currency"]), commit))
    return found


def _partial(tenant: Tenant, start: int, end: int) -> list[tuple[float, float, frozenset]]:
    """The tenant's first moment, its last one, and the days that a pause covers completely."""
    changes = [e for e in of(tenant.history, "suspendTenant", "resumeTenant", "closeTenant") if e.possible]
    times = [sorted({time for time in tenant.time(e.span)}) + ([] if e.sure else [None]) for e in changes]
    found = []
    for chosen in product(*times):
        last: float = NEVER if end else 0
        pauses: list[list[float]] = []
        for entry, at in zip(changes, chosen):
            if at is None:
                continue
            if entry.op == "closeTenant":
                last = at
            if entry.op == "suspendTenant" and entry.input.get("billing") == "PAUSE":
                pauses.append([at, NEVER])
            elif pauses and pauses[-1][1] == NEVER:
                pauses[-1][1] = at
        days = range((end - start) // DAY)
        covered = frozenset(d for d in days if any(a <= start + d * DAY and start + (d + 1) * DAY <= b for a, b in pauses))
        found.append((tenant.starts_at, min(last, end - 1), covered))
    return found
