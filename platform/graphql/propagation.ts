import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { ExecutionResult } from "graphql";

const Propagation = Type.Object({
  /** A tenancy version that the mutation's change is part of. */
  version: Type.Integer(),
  /** Whether every process that serves acts on it. */
  complete: Type.Boolean(),
  /** The processes that do not yet, as far as known. */
  missing: Type.Array(Type.Object({ role: Type.String(), instance: Type.String() })),
  /** Why it is not complete, unless processes are missing: a code. */
  reason: Type.Optional(Type.String()),
});
/** `extensions.propagation` of an answer to mutations: how far their change has got. */
export type Propagation = Readonly<Static<typeof Propagation>>;

/** By the context of an operation. */
const noted = new WeakMap<object, Propagation>();

/** Adds to what the operation of this context tells of its mutations. */
export function notePropagation(context: object, propagation: Propagation): void {
  noted.set(context, joinPropagations(noted.get(context), propagation));
}

/** The result with what its operation's mutations noted. */
export function withPropagation(result: ExecutionResult, propagation: Propagation | undefined): ExecutionResult {
  return propagation === undefined ? result : { ...result, extensions: { ...result.extensions, propagation } };
}

export const notedPropagation = (context: object): Propagation | undefined => noted.get(context);

/** Of a subgraph's answer; undefined: it has none, or none that is well formed. */
export function readPropagation(extensions: unknown): Propagation | undefined {
  const found: unknown =
    typeof extensions === "object" && extensions !== null && Reflect.get(extensions, "propagation");
  return Value.Check(Propagation, found) ? found : undefined;
}

/** Of several mutations: the highest version, complete if all are, and whoever is missing for one of them. */
export function joinPropagations(one: Propagation | undefined, other: Propagation): Propagation {
  if (one === undefined) return other;
  const missing = new Map([...one.missing, ...other.missing].map((process) => [process.instance, process]));
  const reason = one.reason ?? other.reason;
  return {
    version: Math.max(one.version, other.version),
    complete: one.complete && other.complete,
    missing: [...missing.values()],
    ...(reason !== undefined && { reason }),
  };
}
