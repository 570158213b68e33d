import { hourOf } from "#kernel/period.js";
import type { ControlRecord } from "#schema/events/usage-received.v1.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { CURRENT_INVOICE_VERSION } from "#schema/vocabulary.js";
import type { DecodedItem } from "./decode-record.js";

/** The stored state of a known key. */
export interface KnownKey {
  /** Of the event that holds the key. */
  readonly fingerprint: string;
  /** Its position in the ledger; null: it is quarantined. */
  readonly seq: number | null;
  /** Those of the batch's fingerprints that are quarantined under this key. */
  readonly quarantined: ReadonlySet<string>;
}

export type QuarantineReason = "CONFLICT" | "VALUE_INVALID" | "DIMENSION_LIMIT";

/** Why a new event is quarantined. */
export interface QuarantineCause {
  readonly reason: Exclude<QuarantineReason, "CONFLICT">;
  readonly detail: string;
}

export interface Quarantined {
  readonly item: DecodedItem;
  readonly reason: QuarantineReason;
  readonly detail: string;
  /** CONFLICT: the recorded event with the same key. */
  readonly recordedSeq: number | null;
}

/** Changes to the account of one tenant and hour of arrival. */
export interface AccountChange {
  readonly tenantId: string;
  readonly hour: number;
  accepted: number;
  recorded: number;
  duplicates: number;
  quarantined: number;
}

/** All changes of one batch, decided before anything is written. */
export interface BatchOutcome {
  /** Contiguous from `seq + 1`, in log order. */
  readonly entries: readonly LedgerEntry[];
  readonly newKeys: readonly { readonly key: string; readonly fingerprint: string; readonly seq: number | null }[];
  readonly duplicates: ReadonlyMap<string, number>;
  readonly quarantined: readonly Quarantined[];
  readonly accounts: readonly AccountChange[];
}

export interface BatchStamp {
  /** Last assigned ledger position. */
  readonly seq: number;
  readonly recordedAt: number;
  readonly tenancyVersion: number;
}

/** Control records without a lookup: they take their position among the events. */
export type PlainControl = Exclude<ControlRecord, { kind: "void" | "resolve" }>;
export type BatchElement =
  | { readonly kind: "item"; readonly item: DecodedItem }
  | { readonly kind: "control"; readonly control: PlainControl };

/**
 * Assigns positions to the new events and control records of a batch, in log order. An event whose key is known is a duplicate
 * when its fingerprint is known under that key too, otherwise a conflict and quarantined: never silently dropped. `refuse` is
 * called once per item to be recorded, in order; without a refusal the item is recorded.
 */
export function recordBatch(
  elements: readonly BatchElement[],
  known: ReadonlyMap<string, KnownKey>,
  stamp: BatchStamp,
  refuse: (item: DecodedItem) => QuarantineCause | undefined,
): BatchOutcome {
  const keys = new Map(known);
  /** By key. Apart from `keys`, so that a conflict costs the same however many came before it. */
  const conflicts = new Map<string, Set<string>>();
  const entries: LedgerEntry[] = [];
  const newKeys: { key: string; fingerprint: string; seq: number | null }[] = [];
  const duplicates = new Map<string, number>();
  const quarantined: Quarantined[] = [];
  const accounts = createAccounts();
  const common = () => ({
    seq: stamp.seq + entries.length + 1,
    recordedAt: stamp.recordedAt,
    tenancyVersion: stamp.tenancyVersion,
  });

  for (const element of elements) {
    if (element.kind === "control") entries.push(controlEntry(element.control, common()));
    else recordItem(element.item);
  }
  return { entries, newKeys, duplicates, quarantined, accounts: accounts.changes() };

  function recordItem(item: DecodedItem): void {
    const holder = keys.get(item.key);
    const { fingerprint } = item;
    const account = accounts.of(item);
    account.accepted += 1;
    if (holder !== undefined) {
      if (isKnown(item, holder)) {
        duplicates.set(item.key, (duplicates.get(item.key) ?? 0) + 1);
        account.duplicates += 1;
        return;
      }
      conflicts.set(item.key, (conflicts.get(item.key) ?? new Set()).add(fingerprint));
      quarantined.push({ item, reason: "CONFLICT", detail: CONFLICT_DETAIL, recordedSeq: holder.seq });
      account.quarantined += 1;
      return;
    }
    const refusal = refuse(item);
    const entry = refusal === undefined ? eventEntry(item, common()) : undefined;
    const seq = entry?.seq ?? null;
    keys.set(item.key, { fingerprint, seq, quarantined: NONE });
    newKeys.push({ key: item.key, fingerprint, seq });
    if (entry !== undefined) {
      entries.push(entry);
      account.recorded += 1;
    }
    if (refusal !== undefined) {
      quarantined.push({ item, ...refusal, recordedSeq: null });
      account.quarantined += 1;
    }
  }

  function isKnown({ key, fingerprint }: DecodedItem, holder: KnownKey): boolean {
    return (
      holder.fingerprint === fingerprint ||
      holder.quarantined.has(fingerprint) ||
      conflicts.get(key)?.has(fingerprint) === true
    );
  }
}

const NONE: ReadonlySet<string> = new Set();
const CONFLICT_DETAIL = "an event with this source and id but another type or data already exists";

type Common = Pick<LedgerEntry, "seq" | "recordedAt" | "tenancyVersion">;

export function eventEntry(item: Omit<DecodedItem, "key" | "fingerprint" | "value">, common: Common) {
  const { seq, recordedAt, tenancyVersion } = common;
  const { tenantId, source, id, type, time, receivedAt, data, imported } = item;
  const kind = "event" as const;
  // No spread: of an object with instants it costs microseconds.
  const event = { kind, seq, recordedAt, tenancyVersion, tenantId, source, id, type, time, receivedAt, data };
  return imported ? { ...event, imported } : event;
}

function controlEntry(control: PlainControl, common: Common): LedgerEntry {
  switch (control.kind) {
    case "tick":
      return { kind: "tick", ...common, at: control.at, invoiceVersion: CURRENT_INVOICE_VERSION };
    case "close": {
      const { tenantId, periodStart, actor } = control;
      return { kind: "close", ...common, tenantId, periodStart, actor, invoiceVersion: CURRENT_INVOICE_VERSION };
    }
    case "backfill":
      return { kind: "backfill", ...common, meterKey: control.meterKey };
    case "creditGrant":
    case "creditVoid": {
      const { tenancyVersion: _, ...own } = control;
      return { ...own, ...common };
    }
  }
}

function createAccounts() {
  const byTenantAndHour = new Map<string, AccountChange>();
  /** Consecutive events usually share tenant and hour. */
  let last: AccountChange | undefined;

  function find(tenantId: string, hour: number): AccountChange {
    const key = `${hour} ${tenantId}`;
    const existing = byTenantAndHour.get(key);
    if (existing !== undefined) return existing;
    const created = { tenantId, hour, accepted: 0, recorded: 0, duplicates: 0, quarantined: 0 };
    byTenantAndHour.set(key, created);
    return created;
  }

  return {
    of({ tenantId, receivedAt }: DecodedItem): AccountChange {
      const hour = hourOf(receivedAt);
      if (last?.hour !== hour || last.tenantId !== tenantId) last = find(tenantId, hour);
      return last;
    },
    changes: () => [...byTenantAndHour.values()],
  };
}
