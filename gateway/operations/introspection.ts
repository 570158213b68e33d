import {
  type FieldNode,
  type GraphQLField,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  getNamedType,
  isObjectType,
  Kind,
  SchemaMetaFieldDef,
  type SelectionSetNode,
  TypeMetaFieldDef,
  type ValueNode,
} from "graphql";
import type { Fragments } from "./fragments.js";

type Field = GraphQLField<unknown, unknown>;

export interface IntrospectionCount {
  readonly schema: GraphQLSchema;
  readonly fragments: Fragments;
  readonly variables: Readonly<Record<string, unknown>>;
  /** Called for each selection of each object in the answer; throws at the limit. */
  count(): void;
}

/** The definition of `__schema` or `__type`. */
export const introspectionRoot = (name: string): Field | undefined =>
  [SchemaMetaFieldDef, TypeMetaFieldDef].find((field) => field.name === name);

/**
 * Counts what a question about the schema reads by walking the schema as the answer would, so that each list counts as
 * long as it is. Deprecated members count. Needs fragments without cycles.
 */
export function countIntrospection(counting: IntrospectionCount, node: FieldNode, root: Field): void {
  const name = node.arguments?.find((argument) => argument.name.value === "name")?.value;
  countField(counting, node, root, undefined, { name: name && textIn(name, counting.variables) });
}

function textIn(value: ValueNode, variables: IntrospectionCount["variables"]): string {
  return String(value.kind === Kind.VARIABLE ? variables[value.name.value] : "value" in value ? value.value : "");
}

function countField(
  counting: IntrospectionCount,
  node: FieldNode,
  field: Field,
  source: unknown,
  args: Readonly<Record<string, unknown>>,
): void {
  const type = getNamedType(field.type);
  if (node.selectionSet === undefined || !isObjectType(type)) return;
  const fields = type.getFields();
  // The resolvers of graphql-js' introspection only read the schema of their info.
  const info = { schema: counting.schema } as GraphQLResolveInfo;
  const value: unknown = field.resolve?.(source, args, undefined, info);
  for (const item of Array.isArray(value) ? value : [value])
    if (item !== null && item !== undefined) countSelections(counting, node.selectionSet, fields, item);
}

function countSelections(
  counting: IntrospectionCount,
  { selections }: SelectionSetNode,
  fields: Readonly<Record<string, Field>>,
  source: unknown,
): void {
  for (const selection of selections) {
    counting.count();
    if (selection.kind === Kind.FIELD) {
      const field = fields[selection.name.value];
      if (field !== undefined) countField(counting, selection, field, source, { includeDeprecated: true });
      continue;
    }
    const inner = selection.kind === Kind.INLINE_FRAGMENT ? selection : counting.fragments[selection.name.value];
    if (inner !== undefined) countSelections(counting, inner.selectionSet, fields, source);
  }
}
