"""Prepaid credits: what became of each grant, by docs/credits.md, where the order of everything is certain; otherwise what is always true."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Optional

from events import Event
from history import NEVER, Entry, Span, of
from plans import plans_of
from possible import plain
from prices import charge, number, rounded
from quantities import claims, quantity
from times import milliseconds, next_start, period_start, text
from verdicts import Verdicts
from world import Period, Tenant, World

PARTS = ("drawn", "expired", "voided", "available")


@dataclass
class Grant:
    id: str
    amount: Fraction
    priority: int
    ends: float
    place: int
    entry: Entry
    drawn: Fraction = Fraction(0)
    is_voided: bool = False

    @property
    def left(self) -> Fraction:
        return self.amount - self.drawn

    def standing(self, at: float) -> dict[str, Fraction]:
        found = {"drawn": self.drawn, "expired": Fraction(0), "voided": Fraction(0), "available": Fraction(0)}
        found["voided" if self.is_voided else "expired" if self.ends <= at else "available"] = self.left
        return found


@dataclass
class Fact:
    """Something that has a place in the ledger."""

    span: Span
    event: Optional[Event] = None
    grant: Optional[Grant] = None
    voided: Optional[str] = None
    ended: Optional[Period] = None


@dataclass
class Paid:
    uncovered: Fraction
    #: By grant; who was drawn from last comes last.
    by: dict[str, Fraction] = field(default_factory=dict)


class Uncertain(Exception):
    """The order of two things, or what counts, is not certain."""


def grants_of(tenant: Tenant) -> list[Grant]:
    """What was, or may have been, granted: the first of each id."""
    found: dict[str, Grant] = {}
    for place, entry in enumerate(of(tenant.history, "grantCredits")):
        id = (entry.answer or {}).get("id") or entry.input.get("id")
        if entry.possible and id is not None and id not in found:
            ends = milliseconds(entry.input["expiresAt"]) if entry.input.get("expiresAt") else NEVER
            found[id] = Grant(id, number(entry.input["amount"]), int(entry.input.get("priority") or 0), ends, place, entry)
    return list(found.values())


class Books:
    """The ledger of a test tenant, whose periods begin with what it has, and with nothing else."""

    def __init__(self, world: World, tenant: Tenant):
        self.world, self.tenant = world, tenant
        self.facts = self._facts()
        self.grants: dict[str, Grant] = {}
        self.periods: dict[int, Paid] = {}
        self.next: Optional[int] = None
        #: What paid for each period when a period ended, by its start.
        self.at_end: dict[int, dict[int, dict[str, Fraction]]] = {}
        self.taken = 0

    def _facts(self) -> list[Fact]:
        tenant = self.tenant
        if not tenant.has_test_clock or any(e.input.get("backfill") for e in of(self.world.history, "createMeter")):
            raise Uncertain
        if of(tenant.history, "resolveQuarantined", "archiveMeter") or of(self.world.history, "archiveMeter"):
            raise Uncertain
        facts = [Fact(g.entry.span, grant=g) for g in grants_of(tenant)]
        facts += [Fact(e.span, voided=e.input["grantId"]) for e in of(tenant.history, "voidCredits") if e.possible]
        for event in self.world.by_tenant[tenant.id]:
            variant = event.variants[0]
            if len(event.variants) > 1 or variant.time[0] != variant.time[1]:
                raise Uncertain
            facts.append(Fact(Span(variant.sent, variant.acknowledged), event=event))
            facts += [Fact(e.span, event=event) for e in event.voids]
        facts += [Fact(p.closing.span, ended=p) for p in tenant.periods if p.closing is not None]
        return sorted(facts, key=lambda fact: fact.span.lo)

    def up_to(self, lo: float, hi: float) -> None:
        """Takes what certainly came by `lo`; nothing may lie between that and `hi`."""
        while self.taken < len(self.facts):
            fact = self.facts[self.taken]
            after = self.facts[self.taken + 1] if self.taken + 1 < len(self.facts) else None
            if fact.span.lo >= hi:
                return
            if fact.span.hi > lo or (after is not None and after.span.lo < fact.span.hi):
                raise Uncertain
            self._take(fact)
            self.taken += 1

    def rated(self, start: int, at: float) -> Fraction:
        """The sum of a period's usage lines, at a moment at which nothing is under way."""
        plans, _ = plans_of(self.world, self.tenant, start)
        if len(plans) != 1:
            raise Uncertain
        ref = next(iter(plans))
        plan, total = self.world.plans[ref][0] if ref else {"prices": [], "currency": "EUR"}, Fraction(0)
        for price in plan["prices"]:
            events = self.world.by_tenant[self.tenant.id] if at != -NEVER else []
            possible, _ = quantity(events, self.world.meters[price["meter"]], start, next_start(self.tenant.anchor, start), Span(at, at), claims(plan, price))
            if not possible.sure:
                raise Uncertain
            total += rounded(charge(price, possible.lo), plan["currency"])
        return total

    def _take(self, fact: Fact) -> None:
        if fact.event is not None:
            time = fact.event.variants[0].time[0]
            start = period_start(self.tenant.anchor, time)
            self._begin(start, fact.span.lo)
            if self.next is not None:
                paid = self._period(start, fact.span.lo)
                self._change(paid, self.rated(start, fact.span.hi) - self.rated(start, fact.span.lo), time)
        elif fact.ended is not None:
            self._begin(fact.ended.end, fact.span.lo)
            self.at_end[fact.ended.start] = {start: dict(paid.by) for start, paid in self.periods.items()}
        else:
            self._of_grant(fact)

    def _of_grant(self, fact: Fact) -> None:
        lo, hi = self.tenant.time(fact.span)
        if lo != hi:
            raise Uncertain
        if fact.grant is not None and self.next is None:
            self.next = next_start(self.tenant.anchor, period_start(self.tenant.anchor, max(lo, self.tenant.first)))
        else:
            self._begin(lo, fact.span.lo)
        if fact.grant is not None:
            self.grants[fact.grant.id] = fact.grant
        elif fact.voided in self.grants and lo < self.grants[fact.voided].ends:
            self.grants[fact.voided].is_voided = True

    def _period(self, start: int, at: float) -> Paid:
        """One that began before the first grant: what was used until then is not covered."""
        if start not in self.periods:
            self.periods[start] = Paid(self.rated(start, at))
        return self.periods[start]

    def _begin(self, until: float, at: float) -> None:
        while self.next is not None and self.next <= until:
            start, self.next = self.next, next_start(self.tenant.anchor, self.next)
            due = self.rated(start, -NEVER)
            self.periods[start] = Paid(self.rated(start, at) - due)
            self._change(self.periods[start], due, start)

    def _change(self, paid: Paid, amount: Fraction, time: float) -> None:
        if amount > 0:
            self._draw(paid, amount, time)
        else:
            self._give_back(paid, -amount)

    def _draw(self, paid: Paid, amount: Fraction, time: float) -> None:
        for grant in sorted(self.grants.values(), key=lambda g: (g.priority, g.ends, g.place)):
            taken = Fraction(0) if grant.is_voided or grant.ends <= time else min(amount, grant.left)
            if taken > 0:
                grant.drawn += taken
                amount -= taken
                paid.by[grant.id] = paid.by.pop(grant.id, Fraction(0)) + taken
        paid.uncovered += amount

    def _give_back(self, paid: Paid, amount: Fraction) -> None:
        uncovered = min(max(paid.uncovered, Fraction(0)), amount)
        paid.uncovered -= uncovered
        amount -= uncovered
        while amount > 0 and paid.by:
            id, held = list(paid.by.items())[-1]
            given = min(held, amount)
            self.grants[id].drawn -= given
            amount -= given
            paid.by.pop(id)
            if given < held:
                paid.by[id] = held - given


def judge_credits(world: World, tenant: Tenant, verdicts: Verdicts) -> None:
    """What is shown of credits."""
    for look in of(tenant.history, "credits"):
        if not look.sure or look.input.get("asOf"):
            continue
        shown = {name: number(look.answer[name]) for name in ("granted", *PARTS)}
        parts = sum((shown[name] for name in PARTS), Fraction(0))
        holds = shown["granted"] == parts and min(shown.values()) >= 0
        verdicts.fact(f"credits: {tenant.id}", f"granted {plain(parts)}, nothing below 0", f"granted {plain(shown['granted'])}", [look.line], holds)
        grants, lines = grants_of(tenant), [look.line] + [g.entry.line for g in grants_of(tenant)]
        least = sum((g.amount for g in grants if g.entry.sure and g.entry.answered <= look.sent), Fraction(0))
        most = sum((g.amount for g in grants if g.entry.sent < look.answered), Fraction(0))
        verdicts.fact(f"credits granted: {tenant.id}", f"between {plain(least)} and {plain(most)}", plain(shown["granted"]), lines, least <= shown["granted"] <= most)
        _standing(world, tenant, look, shown, lines, verdicts)


def _standing(world: World, tenant: Tenant, look: Entry, shown: dict[str, Fraction], lines: list[int], verdicts: Verdicts) -> None:
    view = world.view(look)
    try:
        books = Books(world, tenant)
        # A grant is in every balance when it is answered.
        answered = max((f.span.hi for f in books.facts if f.event is None and f.ended is None and f.span.hi <= look.sent), default=-NEVER)
        books.up_to(max(view.lo, answered), look.answered)
        lo, hi = tenant.time(look.span)
        if lo != hi:
            return
    except Uncertain:
        return
    for name in PARTS:
        due = sum((g.standing(lo)[name] for g in books.grants.values()), Fraction(0))
        verdicts.fact(f"credits of a certain ledger: {tenant.id} {name}", plain(due), plain(shown[name]), lines, shown[name] == due)


class Credited:
    """What invoices may say of credits."""

    def __init__(self, world: World, tenant: Tenant):
        self.grants = {g.id: g for g in grants_of(tenant)}
        self.lines = [g.entry.line for g in self.grants.values()]
        self.books: Optional[Books] = None
        try:
            books = Books(world, tenant)
            last = [f.span.hi for f in books.facts if f.span.hi != NEVER]
            while books.facts and books.facts[-1].span.hi == NEVER:
                books.facts.pop()
            books.up_to(max(last, default=-NEVER), NEVER)
            self.books = books
        except Uncertain:
            pass

    def judge(self, what: str, ended: int, start: int, stated: dict[tuple, Fraction], usage: Fraction, lines: list[int], verdicts: Verdicts) -> None:
        """What all invoices up to that of the period that starts at `ended` say of credits for one that starts at `start`."""
        paid = {key[1]: -amount for key, amount in stated.items() if key[0] == "CREDIT" and amount != 0}
        total, unknown = sum(paid.values(), Fraction(0)), sorted(set(paid) - set(self.grants))
        what, lines = f"{what} of {text(start)}", lines + self.lines
        holds = not unknown and all(0 < amount <= self.grants[id].amount for id, amount in paid.items()) and total <= max(usage, Fraction(0))
        verdicts.fact(f"credits of an invoice: {what}", f"at most what was granted, and {plain(usage)} of usage", {id: plain(a) for id, a in paid.items()}, lines, holds)
        if self.books is not None and ended in self.books.at_end:
            due = {id: amount for id, amount in self.books.at_end[ended].get(start, {}).items() if amount != 0}
            shown = [{id: plain(amount) for id, amount in sorted(each.items())} for each in (due, paid)]
            verdicts.fact(f"credits of an invoice by a certain ledger: {what}", shown[0], shown[1], lines, due == paid)
