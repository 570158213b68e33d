import { type TUnsafe, Type } from "@sinclair/typebox";

/** Schemas that several parts of the document share. */

/** A closed set, as `enum`: readers of the document see it in one line. */
export const enumOf = <T extends string>(members: readonly T[], description: string): TUnsafe<T> =>
  Type.Unsafe<T>({ type: "string", enum: [...members], description });

export const decimal = (description: string) => Type.String({ description, pattern: "^-?\\d+(?:\\.\\d+)?$" });

export const instant = (description: string) => Type.String({ description, format: "date-time" });

export const instantOrNull = (description: string): TUnsafe<string | null> =>
  Type.Unsafe<string | null>({ type: ["string", "null"], format: "date-time", description });

export const textOrNull = (description: string): TUnsafe<string | null> =>
  Type.Unsafe<string | null>({ type: ["string", "null"], description });
