import fc from "fast-check";
import {
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLOutputType,
  type GraphQLSchema,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
} from "graphql";
import { anyJson, anyNumber, anyText } from "./arbitraries.js";
import { DECIMALS, TIMES } from "./inputs.js";

/** An operation with its variables. */
export interface Operation {
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>>;
}

interface Target {
  readonly operation: "query" | "mutation" | "subscription";
  readonly field: GraphQLField<unknown, unknown>;
  /** Around the field. */
  readonly open: string;
  readonly close: string;
}

const TENANT = "victim";

/** An operation for one field of the schema with arguments: well-typed in most of their leaves, hostile in their values. */
export function anyOperation(
  schema: GraphQLSchema,
  operations: readonly Target["operation"][] = ["query", "mutation"],
): fc.Arbitrary<Operation> {
  return fc
    .constantFrom(...targetsOf(schema).filter(({ operation }) => operations.includes(operation)))
    .chain(({ operation, field, open, close }) => {
      const values = Object.fromEntries(field.args.map((argument) => [argument.name, argumentOf(argument.type, 0)]));
      return fc.record(values).map((variables) => {
        const declared = field.args.map((one) => `$${one.name}: ${one.type}`).join(" ");
        const given = field.args.map((one: GraphQLArgument) => `${one.name}: $${one.name}`).join(" ");
        const head = field.args.length === 0 ? operation : `${operation} Fuzz(${declared})`;
        const call = field.args.length === 0 ? field.name : `${field.name}(${given})`;
        return { query: `${head} { ${open} ${call} ${selectionOf(field.type, 2)} ${close} }`, variables };
      });
    });
}

function targetsOf(schema: GraphQLSchema): readonly Target[] {
  const roots = [
    ["query", schema.getQueryType()],
    ["mutation", schema.getMutationType()],
    ["subscription", schema.getSubscriptionType()],
  ] as const;
  const targets: Target[] = roots.flatMap(([operation, type]) =>
    Object.values(type?.getFields() ?? {}).map((field) => ({ operation, field, open: "", close: "" })),
  );
  const tenant = schema.getType("Tenant");
  if (!isObjectType(tenant)) return targets;
  const nested = Object.values(tenant.getFields()).filter(({ args }) => args.length > 0);
  return [
    ...targets,
    ...nested.map((field) => ({ operation: "query" as const, field, open: `tenant(id: "${TENANT}") {`, close: "}" })),
  ];
}

const MAX_DEPTH = 4;

function argumentOf(type: GraphQLInputType, depth: number): fc.Arbitrary<unknown> {
  if (isNonNullType(type))
    return fc.oneof(
      { weight: 30, arbitrary: argumentOf(type.ofType, depth) },
      { weight: 1, arbitrary: fc.constant(null) },
    );
  if (isListType(type)) return fc.array(argumentOf(type.ofType, depth + 1), { maxLength: 3 });
  return fc.oneof(
    { weight: 20, arbitrary: namedArgumentOf(type, depth) },
    { weight: 1, arbitrary: anyJson },
    { weight: 2, arbitrary: fc.constant(null) },
  );
}

function namedArgumentOf(type: GraphQLInputType, depth: number): fc.Arbitrary<unknown> {
  if (isEnumType(type)) return fc.constantFrom(...type.getValues().map(({ name }) => name));
  if (isInputObjectType(type)) {
    if (depth > MAX_DEPTH) return fc.constant({});
    const fields = Object.values(type.getFields());
    const required = fields
      .filter((field) => isNonNullType(field.type) && field.defaultValue === undefined)
      .map(({ name }) => name);
    return fc.record(Object.fromEntries(fields.map((field) => [field.name, argumentOf(field.type, depth + 1)])), {
      requiredKeys: required,
    });
  }
  switch (getNamedType(type)?.toString()) {
    case "Int":
      return fc.oneof(fc.constantFrom(0, 1, 28, 50, 200, 86_400), anyNumber);
    case "Boolean":
      return fc.boolean();
    case "DateTime":
      return fc.oneof(
        fc.constantFrom(...TIMES),
        fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
      );
    case "Decimal":
      return fc.constantFrom(...DECIMALS);
    case "Cursor":
      return fc.oneof(
        anyText,
        fc
          .tuple(fc.constantFrom("alerts", "audit", "tenants", "plans", "invoices"), fc.constantFrom(":", " "), anyText)
          .map((parts) => Buffer.from(parts.join("")).toString("base64url")),
      );
    default:
      return fc.oneof(
        fc.constantFrom(
          TENANT,
          "plan",
          "plan@1",
          "calls",
          "call",
          "USD",
          "units",
          "https://example.org/hook",
          "http://[::1]/",
          "quota.warning",
        ),
        anyText,
      );
  }
}

/** All leaves, and objects down to `depth` levels, without fields that need arguments. */
function selectionOf(type: GraphQLOutputType, depth: number): string {
  const named = getNamedType(type);
  if (!isObjectType(named)) return "";
  const free = Object.values(named.getFields()).filter(({ args }) => !args.some(({ type }) => isNonNullType(type)));
  const leaves = free.filter((field) => isLeafType(getNamedType(field.type))).map(({ name }) => name);
  const objects =
    depth <= 0
      ? []
      : free
          .filter(
            (field) => isObjectType(getNamedType(field.type)) && !isListType(field.type) && !isConnection(field.type),
          )
          .map((field) => `${field.name} ${selectionOf(field.type, depth - 1)}`);
  const nodes = free.filter((field) => field.name === "nodes").map((field) => `nodes ${selectionOf(field.type, 0)}`);
  return `{ ${[...new Set(["__typename", ...leaves, ...objects, ...nodes])].join(" ")} }`;
}

const isConnection = (type: GraphQLOutputType): boolean => String(getNamedType(type)).endsWith("Connection");
