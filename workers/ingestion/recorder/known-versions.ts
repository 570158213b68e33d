import { timeoutSignal } from "#platform/lifecycle/time.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { DecodedRecord } from "../rules/decode-record.js";
import type { ReceivedRecord } from "../rules/plan-steps.js";

/**
 * The records, once this copy of tenancy has every version that their writers knew. Each writer read its version from the log before
 * it wrote, so a version beyond an end of that log that was read after the record does not exist: its record is poison, or it would
 * hold its partition for ever. Rejects while the log of tenancy cannot be read: then nothing is known about any record.
 */
export async function withKnownVersions(
  records: readonly ReceivedRecord[],
  tenancy: Pick<TenancyCopy, "version" | "caughtUp">,
): Promise<readonly ReceivedRecord[]> {
  const isBeyond = ({ decoded }: ReceivedRecord) => versionOf(decoded) > tenancy.version();
  if (!records.some(isBeyond)) return records;
  await tenancy.caughtUp();
  return records.map((record) =>
    isBeyond(record) ? { ...record, decoded: unknown(record, tenancy.version()) } : record,
  );
}

/** The tenancy version that a record's writer knew; 0: it names none. */
function versionOf(decoded: DecodedRecord): number {
  switch (decoded.kind) {
    case "items":
      return decoded.tenancyVersion;
    case "control":
      return "tenancyVersion" in decoded.control ? (decoded.control.tenancyVersion ?? 0) : 0;
    case "poison":
      return 0;
    default:
      return decoded satisfies never;
  }
}

const unknown = ({ decoded }: ReceivedRecord, last: number): DecodedRecord => ({
  kind: "poison",
  error: `tenancy has no version ${versionOf(decoded)}: its last is ${last}`,
});

const REACHED_WITHIN_MS = 30_000;

/** Waits until this copy of tenancy has the version that the ledger was recorded at. Rejects when it does not come. */
export async function ledgerVersionReached(
  { tenancy, stopped }: { readonly tenancy: Pick<TenancyCopy, "version" | "reached">; readonly stopped: AbortSignal },
  version: number,
): Promise<void> {
  if (tenancy.version() >= version) return;
  await tenancy.reached(version, AbortSignal.any([timeoutSignal(REACHED_WITHIN_MS), stopped]));
}
