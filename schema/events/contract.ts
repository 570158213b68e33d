import { type Static, type TObject, type TSchema, Type } from "@sinclair/typebox";
import { type TypeCheck, TypeCompiler } from "@sinclair/typebox/compiler";
import { UpgradeRequired } from "#kernel/upgrade-required.js";
import { namesOtherContract, refuseOtherEncoding, refuseOtherVersion, unknownMember } from "./growing.js";

/** One version of an event or record type: schema, validator, and an example that tests validate. */
export interface Contract<T extends TSchema> {
  readonly type: string;
  readonly schema: T;
  readonly example: Static<T>;
  /**
   * Parses an external value. Throws `UpgradeRequired` for a value from newer code, otherwise `ContractViolation` with the path
   * of the first difference.
   */
  parse(value: unknown): Static<T>;
  /** `parse` of a record's text. Throws SyntaxError for invalid JSON. */
  read(text: string): Static<T>;
}

export class ContractViolation extends Error {
  override readonly name = "ContractViolation";
}

export function contract<T extends TSchema>(type: string, schema: T, example: Static<T>): Contract<T> {
  let check: TypeCheck<T> | undefined;
  function parse(value: unknown): Static<T> {
    check ??= TypeCompiler.Compile(schema);
    refuseOtherVersion(type, value);
    if (namesOtherContract(type, value)) throw new ContractViolation(`${type}: /schema is another contract`);
    if (check.Check(value)) return value;
    const unknown = unknownMember(type, schema, value);
    if (unknown !== undefined) throw new UpgradeRequired(unknown);
    const first = check.Errors(value).First();
    throw new ContractViolation(`${type}: ${first?.path || "/"} ${first?.message ?? "does not match"}`);
  }
  return {
    type,
    schema,
    example,
    parse,
    read(text) {
      refuseOtherEncoding(type, text);
      return parse(JSON.parse(text));
    },
  };
}

/** A contract of `data` in a CloudEvents 1.0 envelope. `subject` is the tenant; consumers deduplicate by `id`. */
export function eventContract<const Name extends string, T extends TSchema>(
  type: Name,
  data: T,
  example: Readonly<Record<"id" | "source" | "subject" | "time", string>> & { readonly data: Static<T> },
) {
  const schema = Type.Object({
    specversion: Type.Literal("1.0"),
    id: Type.String({ minLength: 1 }),
    source: Type.String({ minLength: 1 }),
    type: Type.Literal(type),
    dataschema: Type.String(),
    subject: Type.String({ minLength: 1 }),
    time: Type.String(),
    data,
  });
  const whole: unknown = { specversion: "1.0", type, dataschema: dataschemaOf(type), ...example };
  // The compiler cannot tell that this is the schema's type; a test validates every example.
  return contract(type, schema, whole as Static<typeof schema>);
}

/** One member of a closed set of `vocabulary.ts`. */
export const oneOf = <T extends string | number>(members: readonly T[]) =>
  Type.Union(members.map((member) => Type.Literal(member)));

/** One of the objects discriminated by `kind`, one for each member of a closed set. */
export const oneOfKinds = <K extends string, T extends TObject>(kinds: readonly K[], objects: Readonly<Record<K, T>>) =>
  Type.Union(kinds.map((kind) => objects[kind]));

/** The `dataschema` URI of a contract, with type and version. */
export const dataschemaOf = (type: string): string => `urn:metrly:schema:${type}`;

export const decimalText = Type.String({ pattern: "^-?(?:0|[1-9]\\d*)(?:\\.\\d+)?$" });
/** RFC 3339, UTC. */
export const timeText = Type.String({ pattern: "^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(?:\\.\\d+)?Z$" });
/** Epoch milliseconds. */
export const epochMs = Type.Integer();
/** A position in a partition's ledger: 1, 2, 3 … without gaps. */
export const seq = Type.Integer({ minimum: 1 });
