import {
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isInterfaceType,
  isListType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
  type ValueNode,
} from "graphql";
import { MetrlyError } from "#kernel/errors.js";
import { MAX_PAGE_SIZE } from "#platform/graphql/pagination.js";

/** Limits of one operation. Page sizes are checked where the page is read. */
export const GRAPH_LIMITS = {
  /** Lexical tokens of the document: bounds parsing and validation. */
  tokens: 2_000,
  depth: 8,
  aliases: 30,
  directives: 30,
  /** Estimated objects read: pages by their size, unpaged lists as `UNPAGED_LIST_SIZE`. */
  cost: 30_000,
  /** Selections visited with fragments expanded: bounds the estimate itself. */
  selections: 10_000,
} as const;

const UNPAGED_LIST_SIZE = 10;

interface Tally {
  aliases: number;
  directives: number;
  selections: number;
}

/** Of a document, by name. */
export type Fragments = Readonly<Record<string, FragmentDefinitionNode>>;

interface Walk {
  readonly schema: GraphQLSchema;
  readonly fragments: Fragments;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly tally: Tally;
}

export interface MeasuredOperation {
  readonly operation: OperationDefinitionNode;
  readonly fragments: Fragments;
  readonly variables: Readonly<Record<string, unknown>>;
}

/**
 * Throws TOO_COMPLEX, naming the limit, for an operation over a limit. Needs a validated operation (no fragment cycles).
 * One walk instead of validation rules, because the cost depends on variables and default page sizes. Introspection is
 * exempt: the schema bounds its response, `tokens` its document.
 */
export function assertWithinLimits(schema: GraphQLSchema, measured: MeasuredOperation): void {
  const { operation, fragments } = measured;
  const variables = { ...numericDefaults(operation), ...measured.variables };
  const walk: Walk = { schema, fragments, variables, tally: { aliases: 0, directives: 0, selections: 0 } };
  const cost = costOf(walk, operation.selectionSet, schema.getRootType(operation.operation)?.name, 1);
  within("aliases", walk.tally.aliases);
  within("directives", walk.tally.directives + (operation.directives?.length ?? 0));
  within("cost", cost);
}

function numericDefaults(operation: OperationDefinitionNode): Record<string, number> {
  const defaults: Record<string, number> = {};
  for (const { variable, defaultValue } of operation.variableDefinitions ?? []) {
    if (defaultValue?.kind === Kind.INT) defaults[variable.name.value] = Number(defaultValue.value);
  }
  return defaults;
}

function within(limit: keyof typeof GRAPH_LIMITS, found: number): void {
  if (found <= GRAPH_LIMITS[limit]) return;
  throw new MetrlyError(
    "TOO_COMPLEX",
    `The operation's ${limit} may be at most ${GRAPH_LIMITS[limit]}, this has ${found}`,
  );
}

function costOf(walk: Walk, set: SelectionSetNode, typeName: string | undefined, depth: number): number {
  let cost = 0;
  for (const selection of set.selections) {
    walk.tally.selections += 1;
    walk.tally.directives += selection.directives?.length ?? 0;
    if (walk.tally.selections > GRAPH_LIMITS.selections) within("selections", walk.tally.selections);
    cost += costOfSelection(walk, selection, typeName, depth);
  }
  return cost;
}

function costOfSelection(walk: Walk, selection: SelectionNode, typeName: string | undefined, depth: number): number {
  switch (selection.kind) {
    case Kind.FIELD:
      return costOfField(walk, selection, typeName, depth);
    case Kind.INLINE_FRAGMENT:
      return costOf(walk, selection.selectionSet, selection.typeCondition?.name.value ?? typeName, depth);
    case Kind.FRAGMENT_SPREAD: {
      const fragment = walk.fragments[selection.name.value];
      return fragment === undefined ? 0 : costOf(walk, fragment.selectionSet, fragment.typeCondition.name.value, depth);
    }
  }
}

function costOfField(walk: Walk, node: FieldNode, typeName: string | undefined, depth: number): number {
  if (node.alias !== undefined) walk.tally.aliases += 1;
  if (node.name.value.startsWith("__")) return 0;
  within("depth", depth);
  if (node.selectionSet === undefined) return 0;
  const field = fieldOf(walk.schema, typeName, node.name.value);
  const children = costOf(walk, node.selectionSet, field && getNamedType(field.type).name, depth + 1);
  return 1 + children * sizeOf(walk, node, field);
}

function fieldOf(
  schema: GraphQLSchema,
  typeName: string | undefined,
  name: string,
): GraphQLField<unknown, unknown> | undefined {
  const type = typeName === undefined ? undefined : schema.getType(typeName);
  return isObjectType(type) || isInterfaceType(type) ? type.getFields()[name] : undefined;
}

/** The estimated objects of a field: `first` on a page, a constant for an unpaged list, else one. */
function sizeOf(walk: Walk, node: FieldNode, field: GraphQLField<unknown, unknown> | undefined): number {
  const first = field?.args.find((argument) => argument.name === "first");
  if (first !== undefined) {
    const given = node.arguments?.find((argument) => argument.name.value === "first")?.value;
    return pageSize(given === undefined ? first.defaultValue : numberIn(given, walk.variables, first.defaultValue));
  }
  // A connection's nodes are counted at its `first`.
  return field !== undefined && field.name !== "nodes" && isListType(getNullableType(field.type))
    ? UNPAGED_LIST_SIZE
    : 1;
}

function numberIn(value: ValueNode, variables: Readonly<Record<string, unknown>>, fallback: unknown): unknown {
  if (value.kind === Kind.VARIABLE) return variables[value.name.value] ?? fallback;
  return value.kind === Kind.INT ? Number(value.value) : fallback;
}

/** Out-of-range sizes fail later with their own error; here they must not lower the estimate. */
const pageSize = (value: unknown): number =>
  typeof value === "number" && value >= 1 && value <= MAX_PAGE_SIZE ? value : MAX_PAGE_SIZE;
