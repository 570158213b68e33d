import { isDeepStrictEqual } from "node:util";
import { MetrlyError } from "#kernel/errors.js";

/** A normalized input, with defaults and without absent fields: repeated creates are compared with it. */
export type CreationInput = Readonly<Record<string, unknown>>;

/** Drops absent members at every depth, so that null, undefined and an omitted field are equal. */
export function creationInput(input: object): CreationInput {
  return JSON.parse(JSON.stringify(input, (_, value: unknown) => value ?? undefined));
}

/** A repeated create with the same input is idempotent; with another input it throws CONFLICT. `advice`: how to change it. */
export function assertSameCreation(
  what: string,
  stored: CreationInput,
  repeated: CreationInput,
  advice = "choose another id",
): void {
  if (isDeepStrictEqual(stored, repeated)) return;
  throw new MetrlyError("CONFLICT", `${what} already exists and was created with different input: ${advice}`);
}
