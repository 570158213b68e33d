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

const INTRO = `# The graph

Generated from \`schema/graphql/api.graphql\` by \`npm run schema:generate\`. \`POST /graphql\` answers queries and mutations, the WebSocket
on the same path also subscriptions; the explorer at \`/\` has saved operations. An operation that the caller's role does not
allow answers \`FORBIDDEN\`; another tenant's id answers exactly like a nonexistent one ([errors](errors.md)).

What a mutation answers is true at once, on every process: a key works where it is used first, a revoked one is refused everywhere. Where
that is not so, the answer says it in \`extensions.propagation\`, for mutations of tenants, keys, meters, plans and webhook endpoints:
\`complete\` (true, if every process that serves acts on the change), \`missing\` (the \`role\` and \`instance\` of those that did not yet after 2 s),
\`reason\` (\`LOG_UNAVAILABLE\`: the change is stored and follows when the event log is back; \`UNREADABLE_REPORTS\`: other processes run newer
code) and \`version\`, which only grows. Several mutations in one operation have one such object.
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

const fieldTable = (type) =>
  table(
    ["field", "type", "meaning"],
    Object.values(type.getFields()).map((field) => [code(signature(field)), linked(field.type), text(field)]),
  );

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
