import { isDeepStrictEqual } from "node:util";
import { MetrlyError } from "#kernel/errors.js";

/** An input as it was given, defaults filled in, absent fields left out: what a repeated create is compared with. */
export type CreationInput = Readonly<Record<string, unknown>>;

/** Drops what is absent, at every depth, so that null, undefined and leaving out are the same input. */
export function creationInput(input: object): CreationInput {
  return JSON.parse(JSON.stringify(input, (_, value: unknown) => value ?? undefined));
}

/** A repeat with the same input is answered, one with another input is refused: throws CONFLICT. */
export function assertSameCreation(what: string, stored: CreationInput, repeated: CreationInput): void {
  if (isDeepStrictEqual(stored, repeated)) return;
  throw new MetrlyError("CONFLICT", `${what} exists already and was created with another input`);
}
