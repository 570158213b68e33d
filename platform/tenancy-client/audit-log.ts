import type { Clock } from "#kernel/clock.js";
import type { EventLog } from "#platform/event-log/event-log.js";
import { auditRecordedV1 } from "#schema/events/audit-recorded.v1.js";
import type { Identity } from "#schema/policy.js";
import { AUDIT_RECORDED } from "#schema/topics.js";

/** The actor, as named in the audit log. */
export const actorOf = (identity: Identity): string => `${identity.kind.toLowerCase()}:${identity.id}`;

export interface AuditedChange {
  /** `thing.verb` */
  readonly action: string;
  /** `kind:id` */
  readonly target: string;
  readonly tenantId: string | null;
  /** States without secrets; absent: it did not, or does not, exist. */
  readonly before?: object;
  readonly after?: object;
}

/** Reports this service's changes to tenancy's audit log. */
export interface Audit {
  /**
   * Call after the change and before the response. Throws LOG_UNAVAILABLE when the log does not accept the entry: the caller
   * learns that the change took effect without an audit entry.
   */
  record(who: Identity, change: AuditedChange): Promise<void>;
}

export function createAudit(log: Pick<EventLog, "append">, clock: Clock): Audit {
  return {
    async record(who, { action, target, tenantId, before = null, after = null }) {
      const entry = { at: clock.now(), actor: actorOf(who), action, target, tenantId, before, after };
      await log.append(AUDIT_RECORDED, 0, [{ value: Buffer.from(JSON.stringify(auditRecordedV1.parse(entry))) }]);
    },
  };
}
