import {
  type DocumentNode,
  type FragmentDefinitionNode,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from "graphql";
import { MetrlyError } from "#kernel/errors.js";
import type { SubgraphContext } from "#platform/graphql/subgraph.js";
import { ANONYMOUS } from "../auth/authentication.js";
import { assertWithinLimits, type Fragments } from "./limits.js";
import { assertStorableText } from "./storable-text.js";

/** The context for resolvers of the gateway and of every subgraph in this process; one object per operation. */
export type GatewayContext = SubgraphContext;

export interface Request {
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly context: GatewayContext;
}

/** Checks of a validated operation on every path, before it runs: authentication and limits. */
export function admitOperation(schema: GraphQLSchema, request: Request): void {
  const { document, operation, variables, context } = request;
  const fragments = fragmentsOf(document);
  if (context.identity === ANONYMOUS && !onlyIntrospects(operation.selectionSet, fragments))
    throw new MetrlyError("UNAUTHENTICATED", "Sign in: without it only the schema is readable");
  assertWithinLimits(schema, { operation, fragments, variables });
  assertStorableText(document, variables);
}

export const fragmentsOf = (document: DocumentNode): Fragments =>
  Object.fromEntries(document.definitions.filter(isFragment).map((each) => [each.name.value, each]));

const isFragment = (node: DocumentNode["definitions"][number]): node is FragmentDefinitionNode =>
  node.kind === Kind.FRAGMENT_DEFINITION;

function onlyIntrospects(set: SelectionSetNode, fragments: Fragments): boolean {
  return set.selections.every((selection) => {
    if (selection.kind === Kind.FIELD) return selection.name.value.startsWith("__");
    const inner = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragments[selection.name.value];
    return inner !== undefined && onlyIntrospects(inner.selectionSet, fragments);
  });
}
