"""Clients of other vendors in Python against a running Metrly: see CONTRIBUTING.md, Clients.

    pip install "gql[all]" "cloudevents>=2" standardwebhooks requests
    python tests/systems/clients/by-hand/python.py URL ADMIN_TOKEN

Prints a line per check; the exit code is 1 if one does not hold.
"""
import asyncio, base64, json, sys, time, uuid
from datetime import datetime, timezone

import requests
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent
from gql import Client, gql
from gql.transport.exceptions import TransportQueryError
from gql.transport.requests import RequestsHTTPTransport
from gql.transport.websockets import WebsocketsTransport
from standardwebhooks.webhooks import Webhook

url, token = sys.argv[1].rstrip("/"), sys.argv[2]
bearer = {"Authorization": f"Bearer {token}"}
failed = 0


def check(holds, what, saw=""):
    global failed
    failed += not holds
    print("holds " if holds else "FAILS ", what, "" if holds else f"(saw {saw})")


run = uuid.uuid4().hex[:8]
http = Client(transport=RequestsHTTPTransport(url=f"{url}/graphql", headers=bearer))
http.execute(gql("mutation ($i: CreateMeterInput!) { createMeter(input: $i) { key } }"),
             variable_values={"i": {"key": f"m{run}", "name": "m", "eventType": f"e.{run}", "aggregation": "COUNT"}})
version = {"currency": "EUR", "prices": [], "limits": [{"meter": f"m{run}", "window": "BILLING_PERIOD", "kind": "SOFT", "limit": "1"}]}
http.execute(gql("mutation ($i: CreatePlanInput!) { createPlan(input: $i) { id } }"), variable_values={"i": {"id": run, "name": run, "version": version}})
made = http.execute(gql("mutation ($i: CreateTenantInput!) { createTenant(input: $i) { id } }"), variable_values={"i": {"id": run, "name": run, "planId": run}})
check(made["createTenant"]["id"] == run, "gql over requests writes", made)
key = http.execute(gql("mutation ($i: IssueApiKeyInput!) { issueApiKey(input: $i) { secret } }"), variable_values={"i": {"tenantId": run, "name": "python", "scopes": ["INGEST"]}})["issueApiKey"]["secret"]
try:
    http.execute(gql("query ($id: ID!) { tenant(id: $id) { alerts(after: \"x\") { nodes { id } } } }"), variable_values={"id": run})
    check(False, "gql over requests gets codes")
except TransportQueryError as error:
    check(error.errors[0]["extensions"]["code"] == "INVALID", "gql over requests gets codes", error.errors)

for name, encode in [("structured", to_structured_event), ("binary", to_binary_event)]:
    event = CloudEvent({"id": name, "source": "https://example.com/a b", "type": f"e.{run}", "subject": run, "time": datetime.now(timezone.utc), "specversion": "1.0", "datacontenttype": "application/json"}, {"region": "eu"})
    message = encode(event)
    for _ in range(50):
        answer = requests.post(f"{url}/v1/events", headers={**message.headers, "Authorization": f"Bearer {key}"}, data=message.body, timeout=30)
        if answer.status_code != 401:
            break
        time.sleep(0.2)
    check(answer.status_code == 202, f"cloudevents in {name} mode is accepted", answer.text)


async def subscribed():
    socket = WebsocketsTransport(url=f"{url.replace('http', 'ws', 1)}/graphql", subprotocols=["graphql-transport-ws"], init_payload={"Authorization": f"Bearer {token}"})
    async with Client(transport=socket) as session:
        seen = await session.execute(gql("{ viewer { kind } }"))
        check(seen["viewer"]["kind"] is not None, "gql over websockets reads", seen)
        for _ in range(150):
            alerts = (await session.execute(gql("query ($t: ID!) { tenant(id: $t) { alerts { nodes { kind cursor } } } }"), variable_values={"t": run}))["tenant"]["alerts"]["nodes"]
            if {alert["kind"] for alert in alerts} == {"WARNING", "EXCEEDED"}:
                break
            await asyncio.sleep(0.2)
        after = [alert["cursor"] for alert in alerts if alert["kind"] == "WARNING"][0]
        document = gql("subscription ($t: ID!, $a: Cursor) { quotaAlerts(tenantId: $t, after: $a) { kind } }")
        async for message in session.subscribe(document, variable_values={"t": run, "a": after}):
            check(message["quotaAlerts"]["kind"] == "EXCEEDED", "gql over websockets subscribes", message)
            break


asyncio.run(subscribed())

endpoint = http.execute(gql("mutation ($i: CreateWebhookEndpointInput!) { createWebhookEndpoint(input: $i) { secret } }"),
                        variable_values={"i": {"tenantId": run, "url": "https://example.com/hook", "eventTypes": ["quota.exceeded"]}})
secret = endpoint["createWebhookEndpoint"]["secret"]
signer = Webhook(secret)
text, now = json.dumps({"type": "quota.exceeded"}), datetime.now(timezone.utc)
signature = signer.sign("msg_1", now, text)
verified = signer.verify(text, {"webhook-id": "msg_1", "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature})
check(verified == {"type": "quota.exceeded"} and len(base64.b64decode(secret.removeprefix("whsec_"))) >= 24, "standardwebhooks takes a secret of Metrly's")
sys.exit(failed > 0)
