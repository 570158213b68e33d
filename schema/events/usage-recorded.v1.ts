import { type Static, Type } from "@sinclair/typebox";
import { INVOICE_VERSIONS, LEDGER_ENTRY_KINDS } from "../vocabulary.js";
import { contract, epochMs, oneOf, oneOfKinds, seq } from "./contract.js";
import { growing } from "./growing.js";
import { creditGrantFields, creditVoidFields } from "./usage-received.v1.js";

const common = { seq, recordedAt: epochMs, tenancyVersion: Type.Integer({ minimum: 0 }) };

const event = {
  tenantId: Type.String(),
  source: Type.String(),
  id: Type.String(),
  type: Type.String(),
  time: epochMs,
  receivedAt: epochMs,
  data: Type.String(),
};
/** A usage event in the ledger. `imported`, which a stored one never has: no alert and no limit but those on billing periods reacts to it. */
const RecordedEvent = Type.Object({
  ...common,
  kind: Type.Literal("event"),
  ...event,
  imported: Type.Optional(Type.Literal(true)),
});
/** An imported event as it is stored: code that does not know imports must not take it for another one. */
const Import = Type.Object({ ...common, kind: Type.Literal("import"), ...event });
/** The version of the invoice document of the periods that end here; entries without it are from before version 2. */
const invoiceVersion = Type.Optional(growing("invoice version", oneOf(INVOICE_VERSIONS)));
/** The recorder's clock. A tenant's period ends at the first tick (or close) past its grace time. */
const Tick = Type.Object({ ...common, kind: Type.Literal("tick"), at: epochMs, invoiceVersion });
const Close = Type.Object({
  ...common,
  kind: Type.Literal("close"),
  tenantId: Type.String(),
  periodStart: epochMs,
  actor: Type.String(),
  invoiceVersion,
});
/** Retracts `event`. It carries the voided event, so that consumers need no lookup. */
const Void = Type.Object({
  ...common,
  kind: Type.Literal("void"),
  tenantId: Type.String(),
  reason: Type.String(),
  actor: Type.String(),
  event: RecordedEvent,
});
const Backfill = Type.Object({ ...common, kind: Type.Literal("backfill"), meterKey: Type.String() });
const CreditGrant = Type.Object({ ...common, kind: Type.Literal("creditGrant"), ...creditGrantFields });
const CreditVoid = Type.Object({ ...common, kind: Type.Literal("creditVoid"), ...creditVoidFields });

/**
 * One entry of the ledger. `tenancyVersion` is the version of `tenancy.changed` that the recorder had applied: it alone
 * determines the meters, plans and periods for the entry, now and in every rebuild.
 */
const Entries = oneOfKinds(LEDGER_ENTRY_KINDS, {
  event: RecordedEvent,
  import: Import,
  tick: Tick,
  close: Close,
  void: Void,
  backfill: Backfill,
  creditGrant: CreditGrant,
  creditVoid: CreditVoid,
});
const StoredEntry = growing("ledger entry", Entries);
type StoredEntry = Static<typeof StoredEntry>;
/** An entry as it is read. */
export type LedgerEntry = Exclude<StoredEntry, { kind: "import" }>;
export type RecordedEvent = Static<typeof RecordedEvent>;
export type CreditGrantEntry = Static<typeof CreditGrant>;
export type CreditVoidEntry = Static<typeof CreditVoid>;

/** An entry as records, pages and blocks have it. */
export function toStored(entry: LedgerEntry): StoredEntry {
  if (entry.kind !== "event" || entry.imported === undefined) return entry;
  const { imported: _, ...own } = entry;
  return { ...own, kind: "import" };
}

export const fromStored = (entry: StoredEntry): LedgerEntry =>
  entry.kind === "import" ? { ...entry, kind: "event", imported: true } : entry;

/** The entries of a record or page of this version. Throws ContractViolation and UpgradeRequired. */
export const readEntries = (record: unknown): readonly LedgerEntry[] =>
  usageRecordedV1.parse(record).entries.map(fromStored);

/** One record of `usage.recorded` and one page of the ledger API: contiguous entries of one partition. */
const schema = Type.Object({
  partition: Type.Integer({ minimum: 0 }),
  firstSeq: seq,
  lastSeq: seq,
  entries: Type.Array(StoredEntry, { minItems: 1 }),
});

export const usageRecordedV1 = contract("metrly.usage.recorded.v1", schema, {
  partition: 3,
  firstSeq: 41,
  lastSeq: 42,
  entries: [
    {
      kind: "event",
      seq: 41,
      recordedAt: 1_790_000_000_300,
      tenancyVersion: 17,
      tenantId: "acme",
      source: "api-gateway",
      id: "req-1",
      type: "api.request",
      time: 1_790_000_000_000,
      receivedAt: 1_790_000_000_120,
      data: '{"path":"/v1/search","tokens":"12"}',
    },
    {
      kind: "tick",
      seq: 42,
      recordedAt: 1_790_000_000_300,
      tenancyVersion: 17,
      at: 1_790_000_000_290,
      invoiceVersion: 2,
    },
  ],
});
