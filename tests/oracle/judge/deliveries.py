"""Deliveries: each announced event reaches each endpoint that asked for it at least once, under one id."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Optional

from history import NEVER, Entry, of
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
    known = {(one.type, one.name) for one in announced(world, tenant)}
    shown = {kind for op, kinds in (("alerts", ALERTS), ("invoices", ("invoice.generated",))) for kind in kinds if _last(tenant, op)}
    types = set(created.input["eventTypes"]) | {"webhook.test"}
    for e in of(world.history, "updateWebhookEndpoint"):
        types |= set((e.input.get("input") or {}).get("eventTypes") or [])
    for entry in received:
        kind = entry.input["body"]["type"]
        verdicts.fact(f"type of a delivery: {entry.input['id']}", sorted(types), kind, [entry.line, created.line], kind in types)
        if kind in shown:
            verdicts.fact(f"announcement: {kind} {name_of(entry)[1]}", "something that the tenant shows", "it is not", [entry.line], name_of(entry) in known)


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
        found.append(Announced(f"quota.{one['kind'].lower()}", str(one["sequence"]), first, [alerts.line]))
    closings = {period.start: period.closing for period in tenant.periods}
    for one in invoices.answer if invoices else []:
        closing = closings.get(milliseconds(one["period"]["start"]))
        if closing is not None:
            found.append(Announced("invoice.generated", one["id"], closing.span.lo, [invoices.line] + closing.lines))
    return found
