import { type Static, Type } from "@sinclair/typebox";
import { contract, epochMs } from "./contract.js";

const schema = Type.Object({
  at: epochMs,
  actor: Type.String({ minLength: 1 }),
  /** `thing.verb`, the change's name in the audit log. */
  action: Type.String({ minLength: 1 }),
  /** `kind:id` */
  target: Type.String({ minLength: 1 }),
  tenantId: Type.Union([Type.String(), Type.Null()]),
  /** States without secrets. */
  before: Type.Unknown(),
  after: Type.Unknown(),
});

/** A change through a service's part of the graph; its position in the log is its identity. */
export const auditRecordedV1 = contract("metrly.audit.recorded.v1", schema, {
  at: 1_790_000_000_000,
  actor: "user:ada",
  action: "webhookEndpoint.update",
  target: "webhookEndpoint:whe_0193",
  tenantId: "acme",
  before: { status: "ENABLED" },
  after: { status: "DISABLED" },
});
export type AuditRecordedV1 = Static<typeof auditRecordedV1.schema>;
