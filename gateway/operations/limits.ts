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

/** What one operation may be. Everything has a limit; page sizes are checked where the page is read. */
export const GRAPH_LIMITS = {
  /** Of the request's document, in lexical tokens: bounds parsing and validation. */
  tokens: 2_000,
  depth: 8,
  aliases: 30,
  directives: 30,
  /** Objects that may be read, estimated: pages by their size, unpaged lists as `UNPAGED_LIST_SIZE`. */
  cost: 30_000,
  /** Selections visited with fragments spread out: bounds the estimate itself. */
  selections: 10_000,
} as const;

const UNPAGED_LIST_SIZE = 10;
const MAX_PAGE_SIZE = 200;

interface Tally {
  aliases: number;
  directives: number;
  selections: number;
}

interface Walk {
  readonly schema: GraphQLSchema;
  readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly tally: Tally;
}

export interface MeasuredOperation {
  readonly operation: OperationDefinitionNode;
  readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly variables: Readonly<Record<string, unknown>>;
}

/**
 * Throws TOO_COMPLEX, with the limit in it, for an operation that is over one. Call it with a validated operation (fragments
 * do not spread themselves). One walk and not a set of validation rules, because the cost depends on the variables and on
 * default page sizes. Introspection is exempt: its answer is bounded by the schema, its document by `tokens`.
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
      const fragment = walk.fragments.get(selection.name.value);
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

/** How many objects a field stands for: `first` on a page, a guess on an unpaged list, else one. */
function sizeOf(walk: Walk, node: FieldNode, field: GraphQLField<unknown, unknown> | undefined): number {
  const first = field?.args.find((argument) => argument.name === "first");
  if (first !== undefined) {
    const given = node.arguments?.find((argument) => argument.name.value === "first")?.value;
    return pageSize(given === undefined ? first.defaultValue : numberIn(given, walk.variables, first.defaultValue));
  }
  // The nodes of a connection are counted at its `first`.
  return field !== undefined && field.name !== "nodes" && isListType(getNullableType(field.type))
    ? UNPAGED_LIST_SIZE
    : 1;
}

function numberIn(value: ValueNode, variables: Readonly<Record<string, unknown>>, fallback: unknown): unknown {
  if (value.kind === Kind.VARIABLE) return variables[value.name.value] ?? fallback;
  return value.kind === Kind.INT ? Number(value.value) : fallback;
}

/** Out-of-range sizes are refused later with their own error; here they must only not make an operation look cheap. */
const pageSize = (value: unknown): number =>
  typeof value === "number" && value >= 1 && value <= MAX_PAGE_SIZE ? value : MAX_PAGE_SIZE;
