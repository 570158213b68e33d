"""Deliveries: each announced event reaches each endpoint that asked for it at least once, under one id."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Callable, Optional

from history import NEVER, Entry, of
from prices import number
from times import milliseconds
from verdicts import Verdicts
from world import Tenant, World

ALERTS = ("quota.warning", "quota.exceeded")


@dataclass
class Announced:
    """Something that endpoints are told: an alert by its number in its stream, an invoice by its id."""

    type: str
    name: str
    #: It cannot have happened before.
    earliest: float
    lines: list[int]
    #: What its body may repeat.
    shown: dict


def judge_deliveries(world: World, verdicts: Verdicts) -> None:
    received = of(world.history, "webhook")
    created = {e.answer["endpoint"]["id"]: e for e in of(world.history, "createWebhookEndpoint") if e.sure}
    _same_content(received, created, verdicts)
    for endpoint, entry in created.items():
        tenant = world.tenants.get(entry.input.get("tenantId") or "")
        if tenant is not None:
            mine = [one for one in received if one.input["endpointId"] == endpoint]
            _everything_arrives(world, tenant, endpoint, entry, mine, verdicts)
            _nothing_else(tenant, world, entry, mine, verdicts)


def _same_content(received: list[Entry], created: dict[str, Entry], verdicts: Verdicts) -> None:
    """Every attempt under an id says the same, and each number of a stream is one event's."""
    said: dict[tuple, tuple[str, int]] = {}
    numbered: dict[tuple, tuple[str, int]] = {}
    for entry in received:
        endpoint, id, body = entry.input["endpointId"], entry.input["id"], entry.input["body"]
        now = json.dumps(body, sort_keys=True, default=str)
        before, line = said.setdefault((endpoint, id), (now, entry.line))
        verdicts.fact(f"repeated delivery: {id}", "the same content", "the same" if now == before else "another", [line, entry.line], now == before)
        if body.get("sequence") is not None and body["type"] != "webhook.test":
            tenant = body["data"].get("tenantId") or (created[endpoint].input.get("tenantId") if endpoint in created else None)
            stream = ("alerts" if body["type"] in ALERTS else body["type"], tenant, str(body["sequence"]))
            other, line = numbered.setdefault(stream, (id, entry.line))
            verdicts.fact(f"sequence of deliveries: {stream}", other, id, [line, entry.line], other == id)


def _everything_arrives(world: World, tenant: Tenant, endpoint: str, created: Entry, received: list[Entry], verdicts: Verdicts) -> None:
    if any(e.input["id"] == endpoint and e.possible for e in of(world.history, "updateWebhookEndpoint", "deleteWebhookEndpoint")):
        return
    arrived = {name_of(entry) for entry in received}
    dead = {
        told(one["eventType"], one["payload"]) for e in of(world.history, "deliveries") if e.sure and e.input.get("endpointId") == endpoint
        for one in e.answer if one["status"] == "DEAD" and one.get("deadReason")
    }
    for one in announced(world, tenant):
        if one.type in created.input["eventTypes"] and one.earliest >= created.answered:
            holds = (one.type, one.name) in arrived or (one.type, one.name) in dead
            verdicts.fact(f"delivery: {one.type} {one.name} to {endpoint}", "received, or dead with a reason", "it was" if holds else "neither", one.lines + [created.line], holds)


def _nothing_else(tenant: Tenant, world: World, created: Entry, received: list[Entry], verdicts: Verdicts) -> None:
    known = {(one.type, one.name): one.shown for one in announced(world, tenant)}
    shown = {kind for op, kinds in (("alerts", ALERTS), ("invoices", ("invoice.generated",))) for kind in kinds if _last(tenant, op)}
    types = set(created.input["eventTypes"]) | {"webhook.test"}
    for e in of(world.history, "updateWebhookEndpoint"):
        types |= set((e.input.get("input") or {}).get("eventTypes") or [])
    for entry in received:
        kind = entry.input["body"]["type"]
        verdicts.fact(f"type of a delivery: {entry.input['id']}", sorted(types), kind, [entry.line, created.line], kind in types)
        if kind in shown:
            verdicts.fact(f"announcement: {kind} {name_of(entry)[1]}", "something that the tenant shows", "it is not", [entry.line], name_of(entry) in known)
            if name_of(entry) in known:
                _says_the_same(tenant, entry, known[name_of(entry)], verdicts)


#: Members of a body's data that repeat what the tenant shows, with how to read them.
SAID: dict[str, Callable[[str], object]] = {
    **{name: str for name in ("tenantId", "meter", "window", "invoiceId", "sha256", "currency")},
    **{name: milliseconds for name in ("windowStart", "periodStart", "periodEnd")},
    **{name: number for name in ("threshold", "limit", "used", "total")},
}


def _says_the_same(tenant: Tenant, entry: Entry, shown: dict, verdicts: Verdicts) -> None:
    """What a receiver is told is what the tenant shows, and of this tenant."""
    data, read = entry.input["body"]["data"], lambda name, value: None if value is None else SAID[name](value)
    wrong = {name: data[name] for name in shown if name in data and read(name, data[name]) != read(name, shown[name])}
    allowed = {name: shown[name] for name in wrong}
    verdicts.fact(f"content of a delivery: {tenant.id} {name_of(entry)[1]}", allowed or "what the tenant shows", wrong or "the same", [entry.line], not wrong)


def name_of(entry: Entry) -> tuple[str, Optional[str]]:
    return told(entry.input["body"]["type"], entry.input["body"])


def told(type: str, body: dict) -> tuple[str, Optional[str]]:
    """What a body is about. Its `webhook-id` is no alert's id; an alert has the same `sequence` everywhere."""
    return type, body["data"].get("invoiceId") if type == "invoice.generated" else str(body["sequence"])


def _last(tenant: Tenant, op: str) -> Optional[Entry]:
    return next((e for e in reversed(of(tenant.history, op)) if e.sure), None)


def announced(world: World, tenant: Tenant) -> list[Announced]:
    """What the last look at alerts and invoices shows."""
    found = []
    alerts, invoices = _last(tenant, "alerts"), _last(tenant, "invoices")
    first = min([v.sent for e in world.by_tenant[tenant.id] for v in e.variants] + [e.sent for e in of(tenant.history, "consume")], default=NEVER)
    for one in alerts.answer if alerts else []:
        shown = {"tenantId": tenant.id, **{name: one[name] for name in ("meter", "window", "windowStart", "threshold", "limit", "used") if name in one}}
        found.append(Announced(f"quota.{one['kind'].lower()}", str(one["sequence"]), first, [alerts.line], shown))
    closings = {period.start: period.closing for period in tenant.periods}
    for one in invoices.answer if invoices else []:
        closing = closings.get(milliseconds(one["period"]["start"]))
        if closing is not None:
            total, period = one["total"], one["period"]
            shown = {"tenantId": tenant.id, "invoiceId": one["id"], "total": total["amount"], "periodStart": period["start"]}
            shown |= {name: value for name, value in (("currency", total.get("currency")), ("sha256", one.get("sha256")), ("periodEnd", period.get("end"))) if value}
            found.append(Announced("invoice.generated", one["id"], closing.span.lo, [invoices.line] + closing.lines, shown))
    return found
