import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";

/** Billing's counts and their position: the rest of the accounting is measured against it. */
export interface AccountingQuestion {
  readonly tenantId: string;
  /** Hours of arrival that start in [from, to), epoch ms; null: unbounded. */
  readonly from: number | null;
  readonly to: number | null;
  /** Last ledger position of the tenant's partition that billing had counted. */
  readonly mark: number;
}

const Decoded = Type.Object({
  tenantId: Type.String({ minLength: 1 }),
  from: Type.Union([Type.Integer(), Type.Null()]),
  to: Type.Union([Type.Integer(), Type.Null()]),
  mark: Type.Integer({ minimum: 0 }),
});

/** Parses the id of billing's `Accounting`: base64url of its JSON. Undefined: invalid. */
export function decodeAccountingId(id: unknown): AccountingQuestion | undefined {
  if (typeof id !== "string") return undefined;
  try {
    return Value.Parse(Decoded, JSON.parse(Buffer.from(id, "base64url").toString("utf8")));
  } catch {
    return undefined;
  }
}
