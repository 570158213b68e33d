// Renders docs/reference.md from the public API.
import {
  astFromValue,
  buildSchema,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isIntrospectionType,
  isObjectType,
  isScalarType,
  isSpecifiedScalarType,
  print,
} from "graphql";

const INTRO = `# Reference of the GraphQL API

Every type, field and argument of the graph, for writing operations. [Using the GraphQL API](graphql.md) says how to connect; the
[explorer](explorer.md) has saved operations for every task. This page is generated from \`schema/graphql/api.graphql\` by
\`npm run schema:generate\`.

\`POST /graphql\` answers queries and mutations; the WebSocket on the same path also serves subscriptions. An operation that the caller's
role does not allow answers \`FORBIDDEN\`. Another tenant's id answers exactly like one that does not exist ([errors](errors.md)).

## When a mutation takes effect

When a mutation has answered, its change applies on every process: a new key works wherever it is used first, and a revoked one is refused
everywhere. Mutations of tenants, keys, meters, plans and webhook endpoints report this in \`extensions.propagation\`. Several mutations in
one operation have one such object:

| member | meaning |
|---|---|
| \`complete\` | whether every serving process acts on the change |
| \`missing\` | the \`role\` and \`instance\` of each process that did not do so within 2 s |
| \`reason\` | \`LOG_UNAVAILABLE\`: the change is stored, and follows when the event log is back. \`UNREADABLE_REPORTS\`: other processes run a newer version |
| \`version\` | the version of tenancy's data, which only grows |
`;

export function referenceOf(sdl) {
  const schema = buildSchema(sdl);
  const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
  const types = Object.values(schema.getTypeMap())
    .filter((type) => !roots.includes(type) && !isIntrospectionType(type) && !isSpecifiedScalarType(type))
    .sort((a, b) => a.name.localeCompare(b.name));
  const part = (title, filter) => [`## ${title}`, ...types.filter(filter).map(section)];
  return `${[
    INTRO.trim(),
    ...roots.flatMap((root, at) => [`## ${["Queries", "Mutations", "Subscriptions"][at]}`, fieldTable(root)]),
    ...part("Types", isObjectType),
    ...part("Inputs", isInputObjectType),
    ...part("Enums", isEnumType),
    ...part("Scalars", isScalarType),
  ].join("\n\n")}\n`;
}

const section = (type) =>
  [`### ${type.name}`, type.description && oneLine(type.description), body(type)].filter(Boolean).join("\n\n");

function body(type) {
  if (isEnumType(type))
    return table(
      ["value", "meaning"],
      type.getValues().map((value) => [code(value.name), text(value)]),
    );
  return isScalarType(type) ? "" : fieldTable(type);
}

function fieldTable(type) {
  const fields = Object.values(type.getFields());
  return table(
    ["field", "type", "meaning"],
    fields.map((field) => [code(signature(field)), linked(field.type), text(field)]),
  );
}

const signature = ({ name, args = [], ...input }) =>
  args.length === 0
    ? `${name}${byDefault(input)}`
    : `${name}(${args.map((arg) => `${arg.name}: ${arg.type}${byDefault(arg)}`).join(", ")})`;
const byDefault = ({ defaultValue, type }) =>
  defaultValue === undefined ? "" : ` = ${print(astFromValue(defaultValue, type))}`;
const linked = (type) => {
  const named = getNamedType(type);
  return isSpecifiedScalarType(named) ? code(type) : `[${code(type)}](#${named.name.toLowerCase()})`;
};
const table = (head, rows) => [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
const code = (words) => `\`${words}\``;
/** The description, the arguments' descriptions, and the deprecation. */
const text = ({ description, deprecationReason, args = [] }) =>
  [
    description,
    ...args.filter((arg) => arg.description).map((arg) => `${code(arg.name)}: ${arg.description}`),
    deprecationReason && `Deprecated: ${deprecationReason}`,
  ]
    .filter(Boolean)
    .map((words) => oneLine(words).replaceAll("|", "\\|"))
    .join("<br>");
const oneLine = (words) => words.replace(/\s+/g, " ").trim();
