import { Decimal } from "#kernel/decimal.js";
import { formatMoney } from "#kernel/money.js";
import type { OutboxRow } from "#platform/outbox/outbox.js";
import { creditsGrantedV1 } from "#schema/events/credits-granted.v1.js";
import { creditsVoidedV1 } from "#schema/events/credits-voided.v1.js";
import type { CreditGrantEntry, CreditVoidEntry } from "#schema/events/usage-recorded.v1.js";
import { eventRow } from "../events.js";

const timeText = (ms: number): string => new Date(ms).toISOString();

export function grantedEvent(partition: number, grant: CreditGrantEntry): OutboxRow {
  const { tenantId, grantId, amount, currency, priority, expiresAt, reason, at, recordedAt } = grant;
  return eventRow(creditsGrantedV1, {
    ...{ partition, tenantId, id: `credits-granted:${tenantId}:${grantId}`, atMs: recordedAt },
    data: {
      ...{ tenantId, grantId, currency, priority, reason },
      amount: formatMoney(new Decimal(amount), currency),
      expiresAt: expiresAt === null ? null : timeText(expiresAt),
      grantedAt: timeText(at),
    },
  });
}

/** `left`: of the grant, when it was voided. */
export function voidedEvent(
  partition: number,
  { tenantId, grantId, reason, at, recordedAt }: CreditVoidEntry,
  left: Decimal,
  currency: string,
): OutboxRow {
  return eventRow(creditsVoidedV1, {
    ...{ partition, tenantId, id: `credits-voided:${tenantId}:${grantId}`, atMs: recordedAt },
    data: { tenantId, grantId, currency, reason, amount: formatMoney(left, currency), voidedAt: timeText(at) },
  });
}
