import type { TSchema } from "@sinclair/typebox";
import fc from "fast-check";
import { expect, test } from "vitest";
import { UpgradeRequired } from "#kernel/upgrade-required.js";
import { runs } from "../../tests/support/effort.js";
import { nearlyBytes, nearlyValuesOf } from "../../tests/systems/hostile/contract-values.js";
import { apiKeysUsedV1 } from "../events/api-keys-used.v1.js";
import { auditRecordedV1 } from "../events/audit-recorded.v1.js";
import { billingPeriodClosedV1 } from "../events/billing-period-closed.v1.js";
import { type Contract, ContractViolation } from "../events/contract.js";
import { invoiceGeneratedV1 } from "../events/invoice-generated.v1.js";
import { packData } from "../events/packed-data.js";
import { quotaExceededV1 } from "../events/quota-exceeded.v1.js";
import { quotaWarningV1 } from "../events/quota-warning.v1.js";
import { tenancyAppliedV1 } from "../events/tenancy-applied.v1.js";
import { readTenancyChanged, tenancyChangedV1 } from "../events/tenancy-changed.v1.js";
import { usageReceivedV1 } from "../events/usage-received.v1.js";
import { readReceived, usageReceivedV2 } from "../events/usage-received.v2.js";
import { usageRecordedV1 } from "../events/usage-recorded.v1.js";
import { readRecorded, usageRecordedV2 } from "../events/usage-recorded.v2.js";

interface Record {
  readonly contract: Contract<TSchema>;
  readonly read: (text: string) => unknown;
  /** The data of a packed record follows its head. */
  readonly isPacked?: boolean;
}

const own = (contract: Contract<TSchema>): Record => ({ contract, read: (text) => contract.read(text) });
const RECORDS: readonly Record[] = [
  { contract: usageReceivedV1, read: readReceived },
  { contract: usageReceivedV2, read: readReceived, isPacked: true },
  { contract: usageRecordedV1, read: readRecorded },
  { contract: usageRecordedV2, read: readRecorded, isPacked: true },
  { contract: tenancyChangedV1, read: readTenancyChanged },
  ...[
    tenancyAppliedV1,
    apiKeysUsedV1,
    auditRecordedV1,
    quotaWarningV1,
    quotaExceededV1,
    billingPeriodClosedV1,
    invoiceGeneratedV1,
  ].map(own),
];
const cases = RECORDS.map((record) => [record.contract.type, record] as const);

const textOf = (value: unknown): string => JSON.stringify(value) ?? "";
const packed = (head: fc.Arbitrary<unknown>): fc.Arbitrary<string> =>
  fc
    .tuple(head, fc.array(fc.constantFrom("{}", '{"n":1}', "", "\n", "💥"), { maxLength: 4 }))
    .map(([value, data]) => packData(textOf(value), data));

test.each(cases)(
  "%s: whatever the log holds is read, or refused as malformed or as newer",
  (_, { contract, read, isPacked }) => {
    const value = nearlyValuesOf(contract.schema);
    fc.assert(
      fc.property(nearlyBytes(isPacked === true ? packed(value) : value.map(textOf)), (bytes) => {
        try {
          read(bytes.toString("utf8"));
        } catch (error) {
          // A bug of ours is a TypeError, too.
          if (error instanceof TypeError) expect(error.message).toMatch(/^the entry \d+ is not valid outside a batch$/);
          else if (error instanceof UpgradeRequired) expect(error.unknown.member).toMatch(/^[\w./+-]{1,100}$/);
          else
            expect([ContractViolation, SyntaxError, RangeError, TypeError].some((kind) => error instanceof kind)).toBe(
              true,
            );
          expect(error).not.toMatchObject({ message: expect.stringContaining("call stack") });
        }
      }),
      { numRuns: runs(150) },
    );
  },
);
