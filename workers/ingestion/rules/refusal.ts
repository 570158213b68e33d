import type { ErrorCode } from "#kernel/errors.js";

/** Why one item of a request is rejected. `detail` starts with the path of the error, if there is one. */
export interface Refusal {
  readonly kind: "rejected";
  readonly code: ErrorCode;
  readonly detail: string;
}

export const refuse = (code: ErrorCode, detail: string): Refusal => ({ kind: "rejected", code, detail });
