import { PROFILES, type Profiles, type SessionLimits } from "#platform/database/profiles.js";

const FACTOR = 20;

/**
 * The product's limits of sessions, but far above what a machine stops for: for tests that ask a store themselves, and are not about
 * limits. Services have the product's, and try again.
 */
export const PATIENT_LIMITS = Object.fromEntries(
  Object.entries(PROFILES).map(([profile, limits]) => [profile, patient(limits)]),
) as Profiles;

/** Waits for locks stay as they are: tests wait for their end. */
function patient(limits: SessionLimits): SessionLimits {
  const { statementMs, transactionMs, idleInTransactionMs, idleMs } = limits;
  return {
    ...limits,
    statementMs: statementMs * FACTOR,
    transactionMs: transactionMs * FACTOR,
    idleInTransactionMs: idleInTransactionMs * FACTOR,
    idleMs: idleMs * FACTOR,
  };
}
