import { readingAt } from "#kernel/upgrade-required.js";
import type { EventLog, LogConsumer } from "#platform/event-log/event-log.js";
import { auditRecordedV1 } from "#schema/events/audit-recorded.v1.js";
import { AUDIT_RECORDED } from "#schema/topics.js";
import type { TenancyStore } from "./store/store.js";

/** Takes what other rooms changed into the audit log, each once. */
export function followRoomAudits(
  log: EventLog,
  store: Pick<TenancyStore, "takeAudits" | "lastAuditPosition">,
  onError: (error: unknown) => void,
): Promise<LogConsumer> {
  return log.consume({
    topic: AUDIT_RECORDED,
    group: "tenancy-audits",
    async startAt(partition) {
      const [{ first }, last] = await Promise.all([log.bounds(AUDIT_RECORDED, partition), store.lastAuditPosition()]);
      return Math.max(first, (last ?? -1) + 1);
    },
    onError,
    async onBatch({ records }) {
      await store.takeAudits(
        records.map(({ offset, value }) => ({
          position: offset,
          entry: readingAt(offset, () => auditRecordedV1.read(value.toString("utf8"))),
        })),
      );
      return { kind: "continue" };
    },
  });
}
