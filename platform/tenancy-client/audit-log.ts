import type { Clock } from "#kernel/clock.js";
import type { EventLog } from "#platform/event-log/event-log.js";
import { auditRecordedV1 } from "#schema/events/audit-recorded.v1.js";
import type { Identity } from "#schema/policy.js";
import { AUDIT_RECORDED } from "#schema/topics.js";

/** Who did it, as the audit log names them. */
export const actorOf = (identity: Identity): string => `${identity.kind.toLowerCase()}:${identity.id}`;

export interface AuditedChange {
  /** `thing.verb` */
  readonly action: string;
  /** `kind:id` */
  readonly target: string;
  readonly tenantId: string | null;
  /** States without secrets; absent: there was, or is, nothing. */
  readonly before?: object;
  readonly after?: object;
}

/** Tells tenancy's audit log of what was changed in this room. */
export interface Audit {
  /**
   * Once the change is made, before it is answered. Throws LOG_UNAVAILABLE when the log does not take it: whoever asked hears
   * that the change is not told of, and it is made all the same.
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
