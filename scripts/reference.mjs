// docs/reference.md, of the public API.
import {
  buildSchema,
  isEnumType,
  isInputObjectType,
  isIntrospectionType,
  isObjectType,
  isScalarType,
  isSpecifiedScalarType,
} from "graphql";

const INTRO = `# The graph

Generated from \`schema/graphql/api.graphql\` by \`npm run schema:generate\`. \`POST /graphql\` answers queries and mutations, the WebSocket
on the same path subscriptions as well; the explorer at \`/\` has it all with saved operations. A mutation or query that a role
may not do answers \`FORBIDDEN\`, another tenant's id exactly like one that does not exist ([errors](errors.md)).
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
    Object.values(type.getFields()).map((field) => [code(signature(field)), code(String(field.type)), text(field)]),
  );

const signature = ({ name, args = [] }) =>
  args.length === 0 ? name : `${name}(${args.map((arg) => `${arg.name}: ${arg.type}`).join(", ")})`;
const table = (head, rows) => [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
const code = (words) => `\`${words}\``;
const text = ({ description }) => oneLine(description ?? "").replaceAll("|", "\\|");
const oneLine = (words) => words.replace(/\s+/g, " ").trim();
