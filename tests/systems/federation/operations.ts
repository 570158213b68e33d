import {
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isAbstractType,
  isInterfaceType,
  isLeafType,
  isObjectType,
  parse,
  validate,
} from "graphql";

/** mulberry32: the same seed, the same operations. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * below);
  };
}

const ARGUMENTS: Readonly<Record<string, readonly string[]>> = {
  filter: ["{ region: EU }", '{ ids: ["t1", "t3"] }', "null", "{ region: US, ids: [] }"],
  id: ['"t1"', '"t2"', '"t3"', '"nobody"', '"t2-1"', "$id"],
  text: ['"a"'],
  name: ['"New"', "$name"],
  fallback: ['"x"', "null", "$name"],
  upper: ["true", "$yes"],
  n: ["1", "$n", "null"],
  first: ["1", "2"],
  last: ["1", "$n"],
  status: ["PAID", "OPEN"],
};

export const VARIABLES = { id: "t2", name: "Named", yes: true, no: false, n: 5 };
const DEFINITIONS = {
  $id: "$id: ID!",
  $name: '$name: String! = "unnamed"',
  $yes: "$yes: Boolean!",
  $no: "$no: Boolean!",
  $n: "$n: Int = 4",
};
/** Constants are in `WRITTEN`, and never on fields that need another subgraph: there @apollo/gateway loses values. */
const DIRECTIVES = ["@include(if: $yes)", "@skip(if: $no)", "@skip(if: $yes)"];
const REQUIRING: ReadonlySet<string> = new Set(["limit", "summary"]);

/** Operations that random generation would hardly find. */
export const WRITTEN: readonly string[] = [
  "{ __typename }",
  "mutation { __typename }",
  "query ($yes: Boolean!) { __typename @skip(if: $yes) version }",
  "query ($yes: Boolean!) { version @skip(if: $yes) }",
  "{ version @include(if: false) }",
  "{ tenants @skip(if: true) { name } version }",
  "{ tenants { name @include(if: false) usage @skip(if: false) } }",
  '{ __type(name: "Tenant") { kind name fields { name args { name defaultValue type { kind name } } type { kind name ofType { name } } } } }',
  '{ __type(name: "Result") { kind possibleTypes { name } } version }',
  '{ a: __type(name: "Nobody") { name } b: __type(name: "Region") { enumValues { name } } }',
  "{ __schema { queryType { name } mutationType { name } subscriptionType { name } } }",
  "{ tenants { id } __schema { queryType { fields { name } } } }",
  '{ tenant(id: "t1") { __typename ...A } } fragment A on Tenant { ...B usage } fragment B on Tenant { name parent { ...C } } fragment C on Tenant { invoices { id } }',
  '{ x: tenant(id: "t1") { n: name } x: tenant(id: "t1") { m: name usage } }',
  '{ tenant(id: "t1") { settings { theme } settings { locale } billingSettings { locale } } }',
  "{ tenants { matrix tags alerts(first: 1) { level tenant { alerts(first: 1) { tenant { name } } } } } }",
  "{ alerts { percent tenant { name region limit } } }",
  '{ node(id: "t2") { id ... on Tenant { usage invoices { summary } } ... on Plan { name } } }',
  '{ node(id: "pro") { __typename ... on Node { id } ... on Plan { tenants { usage } } } }',
  "query ($id: ID!, $n: Int) { tenant(id: $id) { limit(n: $n) nameOr(fallback: null) } }",
  "query ($n: Int = 9) { worst { limit(n: $n) } }",
  'mutation { first: rename(id: "t1", name: "A") { name usage } count second: pay(id: "t1-1") { status tenant { name } } third: count }',
  "mutation { failToRename { name } count }",
  "{ failing nothing { usage } version }",
  "{ failingRequired }",
  "{ delivery { invoice { summary total { amount } deliveries { attempt } } to { name usage } } }",
  "{ maybeTenants { name usage required } }",
  "{ invoices { mandatory lines { steps { quantity failing } } } }",
  '{ search(text: "a") { __typename ... on Tenant { name usage } ... on Plan { name tenants { invoices { id } } } } }',
  '{ nodes { id } search(text: "x") { ... on Plan { id } } }',
];

/** Valid operations of every kind, in the given number. */
export function randomOperations(schema: GraphQLSchema, count: number, seed: number): string[] {
  const random = randomOf(seed);
  const operations: string[] = [];
  while (operations.length < count) {
    const operation = randomOperation(schema, random);
    if (validate(schema, parse(operation)).length === 0) operations.push(operation);
  }
  return operations;
}

function randomOperation(schema: GraphQLSchema, random: (below: number) => number): string {
  const isMutation = random(8) === 0;
  const root = isMutation ? schema.getMutationType() : schema.getQueryType();
  if (!root) throw new Error("no root");
  const fragments = new Map<string, string>();
  let aliases = 0;
  const alias = (): string => {
    aliases += 1;
    return `a${aliases}: `;
  };
  const pick = <T>(list: readonly T[]): T => list[random(list.length)] as T;
  const directive = (): string => (random(7) === 0 ? ` ${pick(DIRECTIVES)}` : "");

  function fieldText(field: GraphQLField<unknown, unknown>, depth: number): string {
    const given = field.args.flatMap(({ name, type, defaultValue }) => {
      const isRequired = String(type).endsWith("!") && defaultValue === undefined;
      return isRequired || random(2) === 0 ? [`${name}: ${pick(ARGUMENTS[name] ?? ["1"])}`] : [];
    });
    const args = given.length > 0 ? `(${given.join(", ")})` : "";
    const type = getNamedType(field.type);
    const below = isLeafType(type) ? "" : ` ${selection(type, depth + 1)}`;
    const name = args !== "" || below !== "" || random(5) === 0 ? alias() : "";
    const condition = REQUIRING.has(field.name) ? "" : directive();
    return `${name}${field.name}${args}${condition}${below}`;
  }

  function fieldsOf(type: GraphQLObjectType | GraphQLNamedType, depth: number): string[] {
    if (!isObjectType(type) && !isInterfaceType(type)) return [];
    const fields = Object.values(type.getFields()).filter((field) => depth < 4 || isLeafType(getNamedType(field.type)));
    return Array.from({ length: 1 + random(3) }, () => fieldText(pick(fields), depth));
  }

  function selection(type: GraphQLNamedType, depth: number): string {
    const parts = fieldsOf(type, depth);
    if (random(5) === 0) parts.push("__typename");
    if (isAbstractType(type)) {
      for (const member of schema.getPossibleTypes(type))
        if (random(3) > 0) parts.push(`... on ${member.name}${directive()} ${selection(member, depth + 1)}`);
    } else if (isObjectType(type) && random(6) === 0) {
      const name = `F${fragments.size}`;
      fragments.set(name, "");
      fragments.set(name, `fragment ${name} on ${type.name} { ${fieldsOf(type, depth).join(" ")} }`);
      parts.push(`...${name}`);
    }
    if (parts.length === 0) parts.push("__typename");
    return `{ ${parts.join(" ")} }`;
  }

  const body = `${selection(root, 0)} ${[...fragments.values()].join(" ")}`;
  const used = Object.entries(DEFINITIONS).filter(([name]) => new RegExp(`\\${name}\\b`).test(body));
  const variables = used.length > 0 ? `(${used.map(([, definition]) => definition).join(", ")})` : "";
  return `${isMutation ? "mutation" : "query"} Op${variables} ${body}`;
}
