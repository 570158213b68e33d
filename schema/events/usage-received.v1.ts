import { type Static, Type } from "@sinclair/typebox";
import { CONTROL_RECORD_KINDS } from "../vocabulary.js";
import { contract, epochMs, oneOfKinds, seq } from "./contract.js";
import { growing } from "./growing.js";

const ReceivedItem = Type.Object({
  tenantId: Type.String({ minLength: 1 }),
  source: Type.String({ minLength: 1 }),
  id: Type.String({ minLength: 1 }),
  type: Type.String({ minLength: 1 }),
  /** When the usage happened. */
  time: epochMs,
  /** When the edge accepted it. */
  receivedAt: epochMs,
  /** The CloudEvents `data` as canonical JSON text (RFC 8785): covered by the fingerprint, stored in the ledger. */
  data: Type.String(),
  /** First 16 bytes of SHA-256 over type, tenant and `data`, base64url, without `time`, which retries may change. */
  fingerprint: Type.String({ minLength: 22, maxLength: 22 }),
});

/** A grant of prepaid credits as the log and the ledger have it. The first one of a tenant with an id counts, repeats have no effect. */
export const creditGrantFields = {
  tenantId: Type.String(),
  grantId: Type.String({ minLength: 1, maxLength: 64 }),
  /** Above zero, with at most the currency's minor digits. */
  amount: Type.String({ minLength: 1, maxLength: 32 }),
  currency: Type.String({ minLength: 3, maxLength: 3 }),
  /** Usage from this moment on draws nothing from it; null: it does not expire. */
  expiresAt: Type.Union([epochMs, Type.Null()]),
  /** Lower ones are drawn first. */
  priority: Type.Integer({ minimum: -2_147_483_648, maximum: 2_147_483_647 }),
  /** When it was granted, by the tenant's own clock. */
  at: epochMs,
  reason: Type.String(),
  actor: Type.String(),
};
/** Takes back what a grant has left. Has no effect on a grant that is unknown, voided or expired by then. */
export const creditVoidFields = {
  tenantId: Type.String(),
  grantId: Type.String({ minLength: 1, maxLength: 64 }),
  /** When it was voided, by the tenant's own clock. */
  at: epochMs,
  reason: Type.String(),
  actor: Type.String(),
};
/** The tenancy version that the sender had applied: the recorder decides by it or a later one. */
const sentUnder = { tenancyVersion: Type.Integer({ minimum: 0 }) };
const CreditGrant = Type.Object({ kind: Type.Literal("creditGrant"), ...creditGrantFields, ...sentUnder });
const CreditVoid = Type.Object({ kind: Type.Literal("creditVoid"), ...creditVoidFields, ...sentUnder });

/** Control records share the log with usage, so that their position among the events is unambiguous. */
const Controls = oneOfKinds(CONTROL_RECORD_KINDS, {
  tick: Type.Object({ kind: Type.Literal("tick"), at: epochMs }),
  close: Type.Object({
    kind: Type.Literal("close"),
    tenantId: Type.String(),
    periodStart: epochMs,
    actor: Type.String(),
    /** The tenancy version that the sender had applied: the recorder decides by it or a later one. */
    tenancyVersion: Type.Optional(Type.Integer({ minimum: 0 })),
  }),
  void: Type.Object({
    kind: Type.Literal("void"),
    tenantId: Type.String(),
    source: Type.String(),
    id: Type.String(),
    reason: Type.String(),
    actor: Type.String(),
    /** The event to void: the log may repeat a record after another event was accepted under its key. */
    eventSeq: Type.Optional(seq),
    /** The tenancy version that the sender had applied: the recorder decides by it or a later one. */
    tenancyVersion: Type.Optional(Type.Integer({ minimum: 0 })),
  }),
  resolve: Type.Object({
    kind: Type.Literal("resolve"),
    tenantId: Type.String(),
    source: Type.String(),
    id: Type.String(),
    accept: Type.Boolean(),
    reason: Type.String(),
    actor: Type.String(),
    /** As in `ReceivedItem`, of the event to resolve: a repeated record must not resolve the next one. */
    fingerprint: Type.Optional(Type.String({ minLength: 22, maxLength: 22 })),
    /** The tenancy version that the sender had applied: the recorder decides by it or a later one. */
    tenancyVersion: Type.Optional(Type.Integer({ minimum: 0 })),
  }),
  backfill: Type.Object({
    kind: Type.Literal("backfill"),
    meterKey: Type.String(),
    tenancyVersion: Type.Integer(),
  }),
  creditGrant: CreditGrant,
  creditVoid: CreditVoid,
});
const ControlRecord = growing("control record", Controls);
export type ControlRecord = Static<typeof ControlRecord>;

/** One record of `usage.received`: many items, or one control record. */
const schema = Type.Union([
  Type.Object({
    kind: Type.Literal("items"),
    items: Type.Array(ReceivedItem, { minItems: 1 }),
    /** The tenancy version that the edge had applied: the recorder stamps the items with it or a later one. */
    tenancyVersion: Type.Optional(Type.Integer({ minimum: 0 })),
  }),
  ControlRecord,
]);

export const usageReceivedV1 = contract("metrly.usage.received.v1", schema, {
  kind: "items",
  items: [
    {
      tenantId: "acme",
      source: "api-gateway",
      id: "req-1",
      type: "api.request",
      time: 1_790_000_000_000,
      receivedAt: 1_790_000_000_120,
      data: '{"path":"/v1/search","tokens":"12"}',
      fingerprint: "3q2-7wAAAAAAAAAAAAAAAA",
    },
  ],
});
export type UsageReceivedV1 = Static<typeof schema>;
