import {
  type DirectiveNode,
  type FieldNode,
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
import type { FieldCosts } from "./costs.js";
import type { Fragments } from "./fragments.js";
import { countIntrospection, introspectionRoot } from "./introspection.js";

/** Limits of one operation. Page sizes are checked where the page is read. */
export const GRAPH_LIMITS = {
  /** Lexical tokens of the document: bounds parsing and validation. */
  tokens: 2_000,
  /** Characters of the document: one token may be of any length. */
  characters: 131_072,
  depth: 8,
  aliases: 30,
  directives: 30,
  /** Estimated objects read, and what services declare for costly fields: pages by their size, see `UNPAGED_LIST_SIZE`. */
  cost: 30_000,
  /** Items of all lists in the variables. The largest plan version has about 6,500. */
  listItems: 10_000,
  /** Selections visited with fragments expanded: bounds the estimate itself, validation and planning. */
  selections: 10_000,
  /** Depth of a question about the schema: code generators unwrap a type nine times. */
  introspectionDepth: 20,
  /** Selections of each object in the answer about the schema. The whole schema takes about 7,000. */
  introspected: 20_000,
} as const;

/** Throws TOO_COMPLEX when lists in the variables have too many items, all together. Recursive: for variables of bounded depth. */
export function assertListItems(variables: Readonly<Record<string, unknown>>): void {
  const found = listItems(variables);
  if (found > GRAPH_LIMITS.listItems)
    throw new MetrlyError(
      "TOO_COMPLEX",
      `The lists in the variables of an operation have at most ${GRAPH_LIMITS.listItems} items, not ${found}`,
    );
}

function listItems(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const members = Object.values(value);
  return members.reduce<number>((sum, member) => sum + listItems(member), Array.isArray(value) ? members.length : 0);
}

/** For a list without pages whose service declares no other size. */
const UNPAGED_LIST_SIZE = 10;

export interface MeasuredOperation {
  readonly operation: OperationDefinitionNode;
  readonly fragments: Fragments;
  readonly variables: Readonly<Record<string, unknown>>;
}

/** What an operation asks for, fragments counted once per spread. */
export interface Measure {
  readonly selections: number;
}

/**
 * Measures an operation in one walk, before anything else looks at it: nothing is validated yet. Throws TOO_COMPLEX, naming
 * the limit, over a limit, and GRAPHQL_VALIDATION_FAILED for a cycle of fragments. Unknown fields count nothing: validation
 * refuses them. Questions about the schema count like all others, their lists by the schema's own sizes.
 */
export function createMeasure(schema: GraphQLSchema, costs: FieldCosts): (measured: MeasuredOperation) => Measure {
  return ({ operation, fragments, variables: given }) => {
    const variables = { ...defaultsOf(operation), ...given };
    const tally = { aliases: 0, directives: 0, selections: 0, introspected: 0 };
    const entered = new Set<string>();

    function count(limit: keyof typeof tally, found = 1): void {
      tally[limit] += found;
      within(limit, tally[limit]);
    }

    function costOf(set: SelectionSetNode, typeName: string | undefined, depth: number): number {
      let cost = 0;
      for (const selection of set.selections) {
        count("selections");
        countDirectives(selection.directives);
        cost += costOfSelection(selection, typeName, depth);
      }
      return cost;
    }

    const countDirectives = (directives: readonly DirectiveNode[] = []): void => count("directives", directives.length);

    function costOfSelection(selection: SelectionNode, typeName: string | undefined, depth: number): number {
      switch (selection.kind) {
        case Kind.FIELD:
          return costOfField(selection, typeName, depth);
        case Kind.INLINE_FRAGMENT:
          return costOf(selection.selectionSet, selection.typeCondition?.name.value ?? typeName, depth);
        case Kind.FRAGMENT_SPREAD:
          return costOfSpread(selection.name.value, depth);
      }
    }

    function costOfSpread(name: string, depth: number): number {
      const fragment = fragments[name];
      if (fragment === undefined) return 0;
      if (entered.has(name))
        throw new MetrlyError("GRAPHQL_VALIDATION_FAILED", `Cannot spread fragment "${name}" within itself`);
      entered.add(name);
      const cost = costOf(fragment.selectionSet, fragment.typeCondition.name.value, depth);
      entered.delete(name);
      return cost;
    }

    function costOfField(node: FieldNode, typeName: string | undefined, depth: number): number {
      if (node.alias !== undefined) count("aliases");
      const asked = introspectionRoot(node.name.value);
      if (asked !== undefined) {
        if (node.selectionSet === undefined) return 0;
        costOf(node.selectionSet, getNamedType(asked.type).name, depth + 1);
        countIntrospection({ schema, fragments, variables, count: () => count("introspected") }, node, asked);
        return 0;
      }
      if (typeName?.startsWith("__")) within("introspectionDepth", depth);
      else if (node.name.value !== "__typename") within("depth", depth);
      const field = fieldOf(typeName, node.name.value);
      const declared = costs.get(typeName ?? "")?.get(node.name.value);
      const weight = declared?.weight ?? (node.selectionSet === undefined ? 0 : 1);
      if (node.selectionSet === undefined) return weight;
      const children = costOf(node.selectionSet, field && getNamedType(field.type).name, depth + 1);
      if (declared?.listSize !== undefined) return weight + (1 + children) * declared.listSize;
      return weight + children * sizeOf(node, field);
    }

    function fieldOf(typeName: string | undefined, name: string): GraphQLField<unknown, unknown> | undefined {
      const type = typeName === undefined ? undefined : schema.getType(typeName);
      return isObjectType(type) || isInterfaceType(type) ? type.getFields()[name] : undefined;
    }

    /** The estimated objects of a field: `first` on a page, a usual size for an unpaged list, else one. */
    function sizeOf(node: FieldNode, field: GraphQLField<unknown, unknown> | undefined): number {
      const first = field?.args.find((argument) => argument.name === "first");
      if (first !== undefined) {
        const size = node.arguments?.find((argument) => argument.name.value === "first")?.value;
        return pageSize(size === undefined ? first.defaultValue : numberIn(size, variables, first.defaultValue));
      }
      // A connection's nodes are counted at its `first`.
      if (field === undefined || field.name === "nodes" || !isListType(getNullableType(field.type))) return 1;
      return UNPAGED_LIST_SIZE;
    }

    countDirectives(operation.directives);
    within("cost", costOf(operation.selectionSet, schema.getRootType(operation.operation)?.name, 1));
    return { selections: tally.selections };
  };
}

/** Numbers and texts: sizes of pages, and the name of a type. */
function defaultsOf(operation: OperationDefinitionNode): Record<string, unknown> {
  const defaults: Record<string, unknown> = {};
  for (const { variable, defaultValue } of operation.variableDefinitions ?? []) {
    if (defaultValue?.kind === Kind.INT) defaults[variable.name.value] = Number(defaultValue.value);
    if (defaultValue?.kind === Kind.STRING) defaults[variable.name.value] = defaultValue.value;
  }
  return defaults;
}

/** Throws TOO_COMPLEX for a document that takes too long to parse. */
export const assertLength = (text: string): void => within("characters", text.length);

function within(limit: keyof typeof GRAPH_LIMITS, found: number): void {
  if (found <= GRAPH_LIMITS[limit]) return;
  throw new MetrlyError(
    "TOO_COMPLEX",
    `The operation's ${limit} may be at most ${GRAPH_LIMITS[limit]}, this has ${found}${ADVICE[limit] ?? ""}`,
  );
}

const ADVICE: Partial<Record<keyof typeof GRAPH_LIMITS, string>> = {
  characters: "; pass long values as variables",
  cost: "; request smaller pages, fewer fields with large values, or several operations",
  introspected: " or more; request parts of the schema in separate operations",
};

function numberIn(value: ValueNode, variables: Readonly<Record<string, unknown>>, fallback: unknown): unknown {
  if (value.kind === Kind.VARIABLE) return variables[value.name.value] ?? fallback;
  return value.kind === Kind.INT ? Number(value.value) : fallback;
}

/** Out-of-range sizes fail later with their own error; here they must not lower the estimate. */
const pageSize = (value: unknown): number =>
  typeof value === "number" && value >= 1 && value <= MAX_PAGE_SIZE ? value : MAX_PAGE_SIZE;
