import { createHmac } from "node:crypto";

/** The header of `GET /healthz` with a value that its sender made up for this request. */
export const CHALLENGE_HEADER = "metrly-challenge";

/** The answer's header with the proof. */
export const PROOF_HEADER = "metrly-proof";

/** A longer challenge gets no proof. */
export const MAX_CHALLENGE_LENGTH = 64;

/**
 * Proves that its maker knows a data directory's admin token: only an HMAC-SHA256 of the challenge, in hexadecimal digits. The port is the
 * one that the maker listens on: a program on another port cannot pass on the answer of a Metrly as its own.
 */
export function proofOf(adminToken: string, challenge: string, port: number): string {
  return createHmac("sha256", adminToken).update(`metrly ${port} ${challenge}`).digest("hex");
}
