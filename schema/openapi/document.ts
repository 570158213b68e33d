import { Type } from "@sinclair/typebox";
import { DecisionBody, DenialBody } from "./decision.js";
import { Problem } from "./problem.js";
import { QUOTA_PATHS } from "./quota.js";
import { QuotaRequest } from "./quota-request.js";
import { EventOutcome, IngestAnswer, UsageEvent } from "./usage-event.js";
import { EVENT_PATHS } from "./usage-events.js";

const Released = Type.Object({
  released: Type.Boolean({ description: "False: there is no open reservation under the key" }),
});

const DESCRIPTION = `Send usage events, and ask before you act whether a quota allows it.

**Retries.** Everything here may be sent again: events are identified by \`source\` and \`id\`, requests for quotas by their
\`idempotencyKey\`. After a 503, or a problem with 429, wait as \`Retry-After\` says.

**Numbers.** Quantities are exact decimals. Send a number that a double cannot hold as a string.

**Errors** are problem documents (RFC 9457) whose \`code\` is one of a closed list.

Tenants, meters, plans, invoices and webhooks are in the [GraphQL API](/).`;

/**
 * The OpenAPI 3.1 description of the data plane, as JSON. `version`: the product's. Enums, limits and the schema of quota
 * requests are those that the services use.
 */
export function openApiDocument(version: string) {
  return {
    openapi: "3.1.1",
    info: {
      title: "Metrly data plane",
      version,
      summary: "Usage events and quotas",
      description: DESCRIPTION,
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    // Relative to the document: a proxy may add a path before all of it.
    servers: [{ url: "./", description: "This installation" }],
    security: [{ apiKey: [] }],
    tags: [
      { name: "Usage events", description: "What happened, once per event" },
      { name: "Quotas", description: "Whether something may happen" },
    ],
    paths: { ...EVENT_PATHS, ...QUOTA_PATHS },
    components: {
      securitySchemes: {
        apiKey: {
          type: "http",
          scheme: "bearer",
          description:
            "An API key: `mtr_live_…` or `mtr_test_…`. A tenant's own key acts for that tenant, a platform key for the tenant that the request names. Its scopes say what it may do: `INGEST` sends events, `QUOTA` asks for decisions, `READ` looks events up.",
        },
      },
      schemas: {
        UsageEvent,
        IngestAnswer,
        EventOutcome,
        QuotaRequest,
        Decision: DecisionBody,
        Denial: DenialBody,
        Released,
        Problem,
      },
    },
  };
}
