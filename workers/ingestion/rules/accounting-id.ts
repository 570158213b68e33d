import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { MAX_INSTANT_MS } from "#kernel/duration.js";

/** Billing's counts and their position: the rest of the accounting is measured against it. */
export interface AccountingQuestion {
  readonly tenantId: string;
  /** Hours of arrival that start in [from, to), epoch ms; null: unbounded. */
  readonly from: number | null;
  readonly to: number | null;
  /** Last ledger position of the tenant's partition that billing had counted. */
  readonly mark: number;
}

const Moment = Type.Integer({ minimum: -MAX_INSTANT_MS, maximum: MAX_INSTANT_MS });
const Decoded = Type.Object({
  tenantId: Type.String({ minLength: 1 }),
  from: Type.Union([Moment, Type.Null()]),
  to: Type.Union([Moment, Type.Null()]),
  mark: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
});

/** Parses the id of billing's `Accounting`: base64url of its JSON. Undefined: invalid. */
export function decodeAccountingId(id: unknown): AccountingQuestion | undefined {
  if (typeof id !== "string") return undefined;
  try {
    const value: unknown = JSON.parse(Buffer.from(id, "base64url").toString("utf8"));
    return Value.Check(Decoded, value) ? value : undefined;
  } catch {
    return undefined;
  }
}
