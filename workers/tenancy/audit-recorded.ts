import { isTimestamp } from "#kernel/duration.js";
import { holdsUnstorable } from "#kernel/storable-text.js";
import type { EventLog, LogConsumer, LogRecord } from "#platform/event-log/event-log.js";
import { asText, type OnMalformed, placeOf, readRecords } from "#platform/event-log/read-records.js";
import { type AuditRecordedV1, auditRecordedV1 } from "#schema/events/audit-recorded.v1.js";
import { AUDIT_RECORDED } from "#schema/topics.js";
import type { ServiceAudit } from "./store/reads.js";
import type { TenancyStore } from "./store/store.js";

/** Takes what other services changed into the audit log, each once. A malformed record is kept there with its bytes. */
export function followServiceAudits(
  log: EventLog,
  store: Pick<TenancyStore, "takeAudits" | "lastAuditPosition">,
  onError: (error: unknown) => void,
  onMalformed: OnMalformed,
): Promise<LogConsumer> {
  return log.consume({
    topic: AUDIT_RECORDED,
    group: "tenancy-audits",
    async startAt(partition) {
      const [{ first }, last] = await Promise.all([log.bounds(AUDIT_RECORDED, partition), store.lastAuditPosition()]);
      return Math.max(first, (last ?? -1) + 1);
    },
    onError,
    async onBatch(batch) {
      const malformed: ServiceAudit[] = [];
      const read = readRecords(batch, asText(readStorable), (within, record, error) => {
        malformed.push(malformedAudit(record, placeOf(within, record)));
        onMalformed(within, record, error);
      });
      const audits = [...read.map(({ offset, value }) => ({ position: offset, entry: value })), ...malformed];
      await store.takeAudits(audits.sort((a, b) => a.position - b.position));
      return { kind: "continue" };
    },
  });
}

/** Throws for a record that the audit log cannot store: it would be redelivered forever. */
function readStorable(text: string): AuditRecordedV1 {
  const audit = auditRecordedV1.read(text);
  if (!isTimestamp(audit.at)) throw new RangeError(`${audit.at} is no time of an audit entry`);
  if (holdsUnstorable(audit)) throw new RangeError("NUL and lone surrogates can't be stored");
  return audit;
}

function malformedAudit({ offset, timestamp, value }: LogRecord, place: string): ServiceAudit {
  const after = { base64: value.toString("base64") };
  const what = { actor: "metrly", action: "audit.malformed", target: `record:${place}`, tenantId: null };
  return { position: offset, entry: { ...what, at: timestamp, before: null, after } };
}
