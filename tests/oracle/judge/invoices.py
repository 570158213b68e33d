"""Invoices: each line from the events that its period had when it closed, and adjustments for what came later."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from fractions import Fraction
from hashlib import sha256

from credits import Credited
from documents import judge_chain, judge_document
from events import dimensions
from history import NEVER, Entry, of
from plans import fees, plans_of
from possible import plain
from prices import charge, number, rounded
from quantities import EVERYTHING, claims, quantity
from times import milliseconds, text
from verdicts import Verdicts
from world import Closing, Period, Tenant, World

#: Steps hold 40 fractional digits of quotients that no decimal holds.
LAST_DIGITS = Fraction(1, 10**30)
COMMIT = ("MINIMUM_COMMIT", None, ())


@dataclass
class Stated:
    """What invoices say of a period so far: of each line its quantity, and the amounts that were charged for it together."""

    plan: dict
    period: Period
    lines: list[int]
    commits: set[Fraction] = field(default_factory=set)
    quantities: dict[tuple, Fraction] = field(default_factory=dict)
    amounts: dict[tuple, Fraction] = field(default_factory=dict)

    def usage(self) -> Fraction:
        return sum((amount for key, amount in self.amounts.items() if key[0] == "USAGE"), Fraction(0))


def line_key(line: dict) -> tuple:
    where = tuple(sorted((one["dimension"], one["value"]) for one in line.get("dimensions") or []))
    kind = line["kind"]
    if kind == "ADJUSTMENT":
        kind = "CREDIT" if line.get("grantId") else "USAGE" if line.get("meter") else "MINIMUM_COMMIT"
    return (kind, line.get("grantId") or line.get("meter"), where)


def price_key(price: dict) -> tuple:
    where = tuple(sorted((one["dimension"], one["value"]) for one in price.get("where") or []))
    return ("USAGE", price["meter"], where)


def judge_invoices(world: World, tenant: Tenant, verdicts: Verdicts) -> None:
    looks = [e for e in of(tenant.history, "invoices") if e.sure]
    if not looks:
        return
    _unchanged(tenant, looks, verdicts)
    last = looks[-1]
    invoices = sorted(last.answer, key=lambda one: one["period"]["start"])
    by_start = {milliseconds(one["period"]["start"]): one for one in invoices}
    stated: dict[int, Stated] = {}
    credited = Credited(world, tenant)
    for ordinal, one in enumerate(invoices, 1):
        verdicts.fact(f"number of an invoice: {one['id']}", f"inv_{tenant.id}_{ordinal:06d}", one["id"], [last.line], one["id"] == f"inv_{tenant.id}_{ordinal:06d}")
    for period in tenant.periods:
        one = by_start.pop(period.start, None)
        plans, plan_lines = plans_of(world, tenant, period.start)
        closing = period.closing
        if one is None:
            if closing is not None and closing.is_sure and closing.span.hi <= world.view(last).lo and None not in plans:
                verdicts.refuse("missing invoice", f"{tenant.id} has none for {text(period.start)}, which has closed", [last.line] + closing.lines + plan_lines)
            continue
        if closing is None or closing.span.lo == NEVER:
            verdicts.refuse("early invoice", f"{one['id']}: nobody could have closed {text(period.start)}", [last.line])
            continue
        refs = {line["plan"]["id"] for line in one["lines"] if line["kind"] != "ADJUSTMENT"}
        if not verdicts.fact(f"plan of an invoice: {one['id']}", plans, refs, [last.line] + plan_lines, len(refs) <= 1 and refs <= plans):
            continue
        ref = next(iter(refs), next(iter(plans - {None}), None))
        plan = world.plans[ref][0]
        stated[period.start] = Stated(plan, period, [last.line] + closing.lines)
        _own_lines(world, tenant, stated[period.start], closing, one, verdicts)
        _adjustments(world, tenant, stated, period, closing, one, verdicts)
        for start, each in stated.items():
            credited.judge(one["id"], period.start, start, each.amounts, each.usage(), each.lines + closing.lines, verdicts)
        _unpriced(world, tenant, stated[period.start], closing, one, verdicts)
        _frame(period, plan, one, last, verdicts)
        total = sum((number(line["amount"]["amount"]) for line in one["lines"]), Fraction(0))
        verdicts.fact(f"total of an invoice: {one['id']}", plain(total), one["total"]["amount"], [last.line], number(one["total"]["amount"]) == total)
    for start in by_start:
        verdicts.refuse("early invoice", f"{tenant.id} has one for {text(start)}, which has not begun", [last.line])


def _frame(period: Period, plan: dict, one: dict, look: Entry, verdicts: Verdicts) -> None:
    """Its currency is the plan's, and its period is closed and ends where it does."""
    frame = {"currency": plan["currency"], "end": period.end, "status": "CLOSED"}
    end = one["period"].get("end")
    found = {
        "currency": one["total"].get("currency", plan["currency"]),
        "end": period.end if end is None else milliseconds(end),
        "status": one["period"].get("status", "CLOSED"),
    }
    verdicts.fact(f"currency and period of an invoice: {one['id']}", frame, found, [look.line], found == frame)


def judge_periods(world: World, tenant: Tenant, verdicts: Verdicts) -> None:
    """A period that is shown as closed could be closed by then."""
    closings = {period.start: period.closing for period in tenant.periods}
    for look in of(tenant.history, "billingPeriods"):
        for shown in look.answer or [] if look.sure else []:
            if shown.get("status") in ("CLOSING", "CLOSED"):
                closing = closings.get(milliseconds(shown["start"]))
                holds = closing is not None and closing.span.lo != NEVER and closing.span.lo < look.answered
                verdicts.fact(f"early closing: {tenant.id} {shown['start']}", "a period that may have closed", shown["status"], [look.line], holds)


def _unchanged(tenant: Tenant, looks: list[Entry], verdicts: Verdicts) -> None:
    """A closed invoice never changes, and its document has its hash."""
    seen: dict[str, tuple[dict, int]] = {}
    for look in looks:
        missing = set(seen) - {one["id"] for one in look.answer}
        if missing:
            verdicts.refuse("lost invoice", f"{sorted(missing)} had been there", [look.line] + [seen[m][1] for m in missing])
        for one in look.answer:
            before, line = seen.setdefault(one["id"], (one, look.line))
            verdicts.fact(f"content of a closed invoice: {one['id']}", "what it said before", "the same" if before == one else "something else", [line, look.line], before == one)
            if one.get("document") is not None:
                found = sha256(one["document"].encode()).hexdigest()
                canonical = json.dumps(json.loads(one["document"]), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
                verdicts.fact(f"hash of a document: {one['id']}", found, one["sha256"], [look.line], found == one["sha256"])
                verdicts.fact(f"form of a document: {one['id']}", "canonical JSON", one["document"][:80], [look.line], canonical == one["document"])
                judge_document(tenant, one, look, verdicts)
        judge_chain(look, verdicts)


def _own_lines(world: World, tenant: Tenant, stated: Stated, closing: Closing, one: dict, verdicts: Verdicts) -> None:
    plan, period = stated.plan, stated.period
    shown: dict[tuple, dict] = {}
    for line in one["lines"]:
        if line["kind"] != "ADJUSTMENT":
            key = line_key(line)
            if key in shown:
                verdicts.refuse("repeated line", f"{one['id']} has {key} twice", stated.lines)
            shown[key] = line
            _arithmetic(one, line, plan, stated.lines, verdicts)
    money = lambda line: number(line["amount"]["amount"]) if line else Fraction(0)
    possible_fees = fees(tenant, plan, period.start, period.end)
    fee = money(shown.pop(("RECURRING", None, ()), None))
    verdicts.fact(f"recurring fee: {one['id']}", [plain(f) for f, _ in sorted(possible_fees)], plain(fee), stated.lines, fee in {f for f, _ in possible_fees})
    stated.commits = {commit for f, commit in possible_fees if f == fee} or {commit for _, commit in possible_fees}
    for price in plan["prices"]:
        key = price_key(price)
        line = shown.pop(key, None)
        allowed, lines = quantity(world.by_tenant[tenant.id], world.meters[price["meter"]], period.start, period.end, closing.span, claims(plan, price))
        found = number(line["quantity"]) if line else Fraction(0)
        verdicts.fact(f"quantity of a line: {one['id']} {key[1:]}", allowed, plain(found), stated.lines + lines, found in allowed)
        expected = rounded(charge(price, found), plan["currency"])
        verdicts.fact(f"amount of a line: {one['id']} {key[1:]} of {plain(found)}", plain(expected), plain(money(line)), stated.lines, money(line) == expected)
        stated.quantities[key], stated.amounts[key] = found, money(line)
    allowed_rest = {max(Fraction(0), rounded(commit - stated.usage(), plan["currency"])) for commit in stated.commits}
    rest = money(shown.pop(COMMIT, None))
    verdicts.fact(f"minimum commit: {one['id']}", [plain(a) for a in allowed_rest], plain(rest), stated.lines, rest in allowed_rest)
    stated.amounts[COMMIT] = rest
    for key in [key for key in shown if key[0] == "CREDIT"]:
        stated.amounts[key] = money(shown.pop(key))
    for key in shown:
        verdicts.refuse("unknown line", f"{one['id']} has {key}, which no price of its plan gives", stated.lines)


def _arithmetic(one: dict, line: dict, plan: dict, lines: list[int], verdicts: Verdicts) -> None:
    """Each step is quantity x unit + flat = amount, and their sum, rounded once, is the line's amount."""
    steps = line.get("arithmetic")
    if steps is None:
        return
    exact = all(abs(number(s["quantity"]) * number(s["unitAmount"]) + number(s["flatAmount"]) - number(s["amount"])) < LAST_DIGITS for s in steps)
    total = rounded(sum((number(step["amount"]) for step in steps), Fraction(0)), plan["currency"])
    verdicts.fact(f"steps of a line: {one['id']} {line_key(line)}", f"exact steps of together {line['amount']['amount']}", f"{'exact' if exact else 'inexact'} steps of together {plain(total)}", lines, exact and total == number(line["amount"]["amount"]))


def _adjustments(world: World, tenant: Tenant, stated: dict[int, Stated], now: Period, closing: Closing, one: dict, verdicts: Verdicts) -> None:
    """After each invoice, what all invoices say of an earlier period together is what is known of it by then."""
    given: dict[tuple, dict] = {}
    for line in one["lines"]:
        if line["kind"] == "ADJUSTMENT":
            key = (milliseconds(line["adjusts"]["periodStart"]), line_key(line))
            if key in given:
                verdicts.refuse("repeated line", f"{one['id']} adjusts {key} twice", stated[now.start].lines)
            given[key] = line
    for start, earlier in stated.items():
        if start == now.start:
            continue
        plan, period, currency = earlier.plan, earlier.period, earlier.plan["currency"]
        for price in plan["prices"]:
            key = price_key(price)
            allowed, lines = quantity(world.by_tenant[tenant.id], world.meters[price["meter"]], period.start, period.end, closing.span, claims(plan, price))
            line = given.pop((start, key), None)
            lines = earlier.lines + closing.lines + lines
            what = f"{one['id']} of {text(start)} {key[1:]}"
            before, after, amount = earlier.quantities[key], earlier.quantities[key], Fraction(0)
            if line is not None:
                before, after = number(line["adjusts"]["quantityBefore"]), number(line["adjusts"]["quantityAfter"])
                amount = number(line["amount"]["amount"])
                verdicts.fact(f"quantity before an adjustment: {what}", plain(earlier.quantities[key]), plain(before), lines, before == earlier.quantities[key])
                verdicts.fact(f"quantity of an adjustment: {what}", plain(after - before), line["quantity"], lines, number(line["quantity"]) == after - before)
            verdicts.fact(f"quantity after adjustments: {what}", allowed, plain(after), lines, after in allowed)
            expected = rounded(charge(price, after), currency) - earlier.amounts[key]
            verdicts.fact(f"amount of an adjustment: {what}", plain(expected), plain(amount), lines, amount == expected)
            earlier.quantities[key] = after
            earlier.amounts[key] += amount
        rests = {max(Fraction(0), rounded(commit - earlier.usage(), currency)) - earlier.amounts[COMMIT] for commit in earlier.commits}
        line = given.pop((start, COMMIT), None)
        amount = number(line["amount"]["amount"]) if line else Fraction(0)
        verdicts.fact(f"adjustment of a commit: {one['id']} of {text(start)}", [plain(r) for r in rests], plain(amount), earlier.lines, amount in rests)
        earlier.amounts[COMMIT] += amount
    for start, key in [of for of in given if of[1][0] == "CREDIT" and of[0] in stated]:
        amount = number(given.pop((start, key))["amount"]["amount"])
        stated[start].amounts[key] = stated[start].amounts.get(key, Fraction(0)) + amount
    for key in given:
        verdicts.refuse("unknown line", f"{one['id']} adjusts {key}, which no invoice had charged", stated[now.start].lines)


def _unpriced(world: World, tenant: Tenant, stated: Stated, closing: Closing, one: dict, verdicts: Verdicts) -> None:
    """What no price claims is listed, and nothing else is."""
    if one.get("unpricedUsage") is None:
        return
    plan, period = stated.plan, stated.period
    shown = {(u["meter"], tuple(sorted((d["dimension"], d["value"]) for d in u["dimensions"]))): u for u in one["unpricedUsage"]}
    for meter in world.meters.values():
        prices = [price for price in plan["prices"] if price["meter"] == meter.key]
        claimed = [claims(plan, price) for price in prices]
        combinations: set[tuple] = set()
        for event in world.by_tenant[tenant.id]:
            for variant in event.variants:
                values = dimensions(variant, meter)
                if variant.type == meter.event_type and not any(claim(values) for claim in claimed):
                    combinations.add(tuple(sorted(values.items())) if prices else ())
        for combination in combinations:
            wanted = (lambda values, c=combination: tuple(sorted(values.items())) == c) if prices else EVERYTHING
            allowed, lines = quantity(world.by_tenant[tenant.id], meter, period.start, period.end, closing.span, wanted)
            line = shown.pop((meter.key, combination), None)
            found = number(line["quantity"]) if line else Fraction(0)
            verdicts.fact(f"unpriced usage: {one['id']} {meter.key} {combination}", allowed, plain(found), stated.lines + lines, found in allowed)
    for key in shown:
        verdicts.refuse("unpriced usage", f"{one['id']} lists {key}, which a price claims or nobody sent", stated.lines)
