"""A history: what clients sent, when, and what they were answered. One JSON object a line; README.md describes the members."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Iterable, Optional

NEVER = float("inf")
OUTCOMES = ("ok", "failed", "unknown")
CHANGES = (
    "createMeter", "archiveMeter", "unarchiveMeter", "createPlan", "publishPlanVersion", "createTenant", "updateTenant",
    "changePlan", "cancelPlanChange", "suspendTenant", "resumeTenant", "closeTenant", "setQuotaOverride",
    "advanceTestClock", "closeBillingPeriod", "voidEvent", "resolveQuarantined", "createWebhookEndpoint",
    "updateWebhookEndpoint", "deleteWebhookEndpoint", "grantCredits", "voidCredits", "events", "consume", "check", "release",
)
BY_ID = ("createTenant", "updateTenant", "suspendTenant", "resumeTenant", "closeTenant")
LOOKS = ("usageTotals", "invoices", "billingPeriods", "quotas", "alerts", "deliveries", "accounting", "tenant", "credits")
#: `rest`: clients waited until everything that was acknowledged before was processed. `webhook`: a receiver got a request.
#: `fault`: a process was killed or counters were lost, so that decisions may be more careful from then on. `once`: nothing between
#: these clients and the log repeats a request.
NOTES = ("rest", "webhook", "fault", "once")


class Malformed(Exception):
    """The history itself is wrong: nothing can be judged by it."""


@dataclass(frozen=True)
class Span:
    """When something happened, by the clients' clock: not before `lo`, and not after `hi`."""

    lo: float
    hi: float

    def before(self, other: "Span") -> bool:
        """Surely before `other`."""
        return self.hi <= other.lo

    def after(self, other: "Span") -> bool:
        return other.before(self)


@dataclass(frozen=True)
class Entry:
    """A request and its answer, at a line of the history. `failed` did nothing; `unknown` may or may not have happened."""

    line: int
    op: str
    outcome: str
    sent: float
    answered: float
    input: dict
    answer: Any

    @property
    def span(self) -> Span:
        return Span(self.sent, self.answered if self.outcome == "ok" else NEVER)

    @property
    def sure(self) -> bool:
        return self.outcome == "ok"

    @property
    def possible(self) -> bool:
        return self.outcome != "failed"


def read_history(lines: Iterable[str]) -> list[Entry]:
    return [_entry(number, text) for number, text in enumerate(lines, 1) if text.strip()]


def _entry(number: int, text: str) -> Entry:
    try:
        raw = json.loads(text, parse_float=Decimal)
    except ValueError as error:
        raise Malformed(f"line {number} is no JSON: {error}") from None
    op, outcome = raw.get("op"), raw.get("outcome", "ok")
    if op not in CHANGES + LOOKS + NOTES:
        raise Malformed(f"line {number} has the unknown op {op!r}")
    if outcome not in OUTCOMES:
        raise Malformed(f"line {number} has the unknown outcome {outcome!r}")
    sent, answered = raw.get("sent"), raw.get("answered")
    if not isinstance(sent, (int, Decimal)):
        raise Malformed(f"line {number} does not say when it was sent")
    if outcome == "ok" and not isinstance(answered, (int, Decimal)):
        raise Malformed(f"line {number} is answered, and does not say when")
    until = NEVER if answered is None else float(answered)
    return Entry(number, op, outcome, float(sent), until, raw.get("input") or {}, raw.get("answer"))


def of(history: Iterable[Entry], *ops: str) -> list[Entry]:
    """The entries of these operations, in the order of the history."""
    return [entry for entry in history if entry.op in ops]


def tenant_of(entry: Entry) -> Optional[str]:
    """The tenant that the entry is about; None: none, or each event says it."""
    return entry.input.get("id" if entry.op in BY_ID else "tenantId")
