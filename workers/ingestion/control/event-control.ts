import { MetrlyError } from "#kernel/errors.js";
import { partitionOf } from "#kernel/partition.js";
import { isStorable } from "#kernel/storable-text.js";
import type { Database } from "#platform/database/database.js";
import type { EventLog } from "#platform/event-log/event-log.js";
import { monotonicMs, sleep } from "#platform/lifecycle/time.js";
import type { ControlRecord } from "#schema/events/usage-received.v1.js";
import { USAGE_RECEIVED } from "#schema/topics.js";
import { fingerprintOfUuid } from "../rules/fingerprint.js";
import type { EventLookup, FoundEvent } from "../store/event-lookup.js";
import { readCursor } from "../store/recording.js";

export interface EventKey {
  readonly tenantId: string;
  readonly source: string;
  readonly id: string;
}

export interface OperatorDecision {
  readonly reason: string;
  readonly actor: string;
}

export type EventControl = ReturnType<typeof createEventControl>;

export interface EventControlOptions {
  readonly database: Database;
  readonly log: EventLog;
  readonly events: EventLookup;
  readonly partitionCount: number;
  /** The tenancy version that this process has applied. */
  tenancyVersion(): number;
}

const TIMEOUT_MS = 10_000;
const POLL_MS = 25;
const MAX_REASON_CHARS = 1_000;

/** Operators' decisions about single events, appended to the log as control records, so that a rebuild repeats them. */
export function createEventControl(options: EventControlOptions) {
  const { database, events, log, partitionCount } = options;
  const known = () => ({ tenancyVersion: options.tenancyVersion() });

  /** Appends and waits for the recorder to pass the record. Throws UNAVAILABLE on a timeout: the record still takes effect. */
  async function appendAndWait(partition: number, control: ControlRecord): Promise<void> {
    await log.append(USAGE_RECEIVED, partition, [{ value: Buffer.from(JSON.stringify(control)) }]);
    const { next } = await log.bounds(USAGE_RECEIVED, partition);
    const deadline = monotonicMs() + TIMEOUT_MS;
    while ((await readCursor(database.pool, partition)).next < next) {
      if (monotonicMs() > deadline)
        throw new MetrlyError("UNAVAILABLE", "The change is in the log and takes effect when the recorder reaches it");
      await sleep(POLL_MS);
    }
  }

  return {
    /** Voids a recorded event; voiding a voided event returns it unchanged. NOT_FOUND, CONFLICT. */
    async voidEvent({ tenantId, source, id }: EventKey, { reason, actor }: OperatorDecision): Promise<FoundEvent> {
      assertReason(reason);
      const before = await events.find(tenantId, source, id);
      if (before === undefined) throw notFound();
      if (before.status === "VOIDED") return before;
      if (before.status !== "RECORDED" && before.status !== "UNMETERED")
        throw new MetrlyError("CONFLICT", `Only a recorded event can be voided; this one is ${before.status}`);
      const meant = before.seq !== null && { eventSeq: before.seq };
      const control: ControlRecord = { kind: "void", tenantId, source, id, reason, actor, ...meant, ...known() };
      await appendAndWait(partitionOf(tenantId, partitionCount), control);
      return (await events.find(tenantId, source, id)) ?? before;
    },
    /** Accepts or permanently refuses a quarantined event. NOT_FOUND; CONFLICT when it cannot be accepted. */
    async resolve({ tenantId, source, id }: EventKey, accept: boolean, { reason, actor }: OperatorDecision) {
      assertReason(reason);
      const fingerprint = await events.pending(tenantId, source, id);
      if (fingerprint === undefined) throw notFound();
      const meant = { fingerprint: fingerprintOfUuid(fingerprint) };
      const control: ControlRecord = {
        kind: "resolve",
        tenantId,
        source,
        id,
        accept,
        reason,
        actor,
        ...meant,
        ...known(),
      };
      await appendAndWait(partitionOf(tenantId, partitionCount), control);
      const after = await events.findQuarantined(tenantId, source, id, fingerprint);
      if (after?.status === "QUARANTINED") throw new MetrlyError("CONFLICT", STAYS);
      const found = after ?? (await events.find(tenantId, source, id));
      if (found === undefined) throw notFound();
      return found;
    },
  };
}

const STAYS =
  "The event stays in quarantine: the recorded event with this source and id still counts (void it first), or a meter cannot read its value";

const notFound = (): MetrlyError => new MetrlyError("NOT_FOUND", "The event does not exist");

function assertReason(reason: string): void {
  if (reason.trim() === "" || reason.length > MAX_REASON_CHARS || !isStorable(reason))
    throw new MetrlyError("INVALID", `reason: 1 to ${MAX_REASON_CHARS} characters of valid Unicode without NUL`);
}
