import { type Static, type TSchema, Type } from "@sinclair/typebox";
import { type TypeCheck, TypeCompiler } from "@sinclair/typebox/compiler";

/** One version of one event or record type: its schema, its validator and an example that the tests validate. */
export interface Contract<T extends TSchema> {
  readonly type: string;
  readonly schema: T;
  readonly example: Static<T>;
  /** Types a value that came from outside. Throws `ContractViolation` with the path of the first difference. */
  parse(value: unknown): Static<T>;
}

export class ContractViolation extends Error {
  override readonly name = "ContractViolation";
}

export function contract<T extends TSchema>(type: string, schema: T, example: Static<T>): Contract<T> {
  let check: TypeCheck<T> | undefined;
  return {
    type,
    schema,
    example,
    parse(value) {
      check ??= TypeCompiler.Compile(schema);
      if (check.Check(value)) return value;
      const first = check.Errors(value).First();
      throw new ContractViolation(`${type}: ${first?.path || "/"} ${first?.message ?? "does not match"}`);
    },
  };
}

/** A CloudEvents 1.0 envelope around `data`. `subject` is the tenant; `id` is what consumers deduplicate by. */
export function envelope<T extends TSchema>(type: string, data: T) {
  return Type.Object({
    specversion: Type.Literal("1.0"),
    id: Type.String({ minLength: 1 }),
    source: Type.String({ minLength: 1 }),
    type: Type.Literal(type),
    dataschema: Type.String(),
    subject: Type.String({ minLength: 1 }),
    time: Type.String(),
    data,
  });
}

/** One member of a closed set of `vocabulary.ts`. */
export const oneOf = <T extends string>(members: readonly T[]) =>
  Type.Union(members.map((member) => Type.Literal(member)));

/** The `dataschema` URI of a contract: names type and version. */
export const dataschemaOf = (type: string): string => `urn:metrly:schema:${type}`;

export const decimalText = Type.String({ pattern: "^-?(?:0|[1-9]\\d*)(?:\\.\\d+)?$" });
/** RFC 3339, UTC. */
export const timeText = Type.String({ pattern: "^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(?:\\.\\d+)?Z$" });
/** Epoch milliseconds. */
export const epochMs = Type.Integer();
/** A position in a partition's ledger: 1, 2, 3 … without holes. */
export const seq = Type.Integer({ minimum: 1 });
