import { MetrlyError } from "#kernel/errors.js";
import { textProblem } from "#schema/party.js";

/** Why one value of an input is refused. `path` is as in the GraphQL input, e.g. `prices[0].tiers[1].upTo`. */
export interface Reason {
  readonly path: string;
  readonly detail: string;
}

/** One answer shows at most so many reasons. */
export const MAX_REASONS = 100;

/** Throws one INVALID with all reasons, so that the caller can fix them at once; of very many, the first. */
export function rejectIf(reasons: readonly Reason[]): void {
  const [first, ...rest] = reasons;
  if (first === undefined) return;
  const more = rest.length === 0 ? "" : ` (and ${rest.length} more)`;
  throw new MetrlyError("INVALID", `${first.path}: ${first.detail}${more}`, { errors: reasons.slice(0, MAX_REASONS) });
}

export const MAX_NAME_LENGTH = 200;

/** Of a text of any number of lines. */
export function textReasons(path: string, text: string): Reason[] {
  if (text.trim() === "") return [{ path, detail: "must not be blank" }];
  return text.length > MAX_NAME_LENGTH ? [{ path, detail: `has at most ${MAX_NAME_LENGTH} characters` }] : [];
}

/** Of a name, which is shown in tables and on invoices. */
export function nameReasons(path: string, name: string): Reason[] {
  const detail = textProblem(name, MAX_NAME_LENGTH);
  return detail === undefined ? [] : [{ path, detail }];
}
