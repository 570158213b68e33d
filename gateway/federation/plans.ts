import { type FetchNode, type PlanNode, QueryPlanner } from "@graphql-hive/router-query-planner";
import {
  type DirectiveNode,
  type DocumentNode,
  type GraphQLSchema,
  getOperationAST,
  isAbstractType,
  Kind,
  type OperationDefinitionNode,
  print,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from "graphql";
import { MetrlyError, messageOf } from "#kernel/errors.js";
import { operationOf } from "#platform/graphql/documents.js";
import { type Fragments, fragmentsOf } from "../operations/fragments.js";

const NO_LABELS: ReadonlySet<string> = new Set();

/** The fetches that answer one operation, and their order. */
export interface Plan {
  readonly operation: OperationDefinitionNode;
  readonly fragments: Fragments;
  readonly source: FetchNode | undefined;
  /** Undefined: no subgraph is needed. */
  readonly node: PlanNode | undefined;
  readonly introspects: boolean;
  /** The variables that `@skip` and `@include` depend on. */
  readonly conditions: readonly string[];
}

/**
 * Remembers the result of `make` for each operation's plan as long as its document is there: whoever keeps documents bounds
 * plans. Planning runs in another thread; concurrent requests for the same operation share one plan (single-flight).
 */
export function createPlans<Made>(
  planner: QueryPlanner,
  schema: GraphQLSchema,
  make: (document: DocumentNode, plan: Plan) => Made,
) {
  const byDocument = new WeakMap<DocumentNode, Map<string | undefined, Promise<Made>>>();

  async function planned(document: DocumentNode, operationName: string | undefined): Promise<Made> {
    return make(document, await planOf(planner, schema, document, operationName));
  }

  return {
    /** Takes a validated document. */
    get(document: DocumentNode, operationName: string | undefined): Promise<Made> {
      const ofDocument = byDocument.get(document) ?? new Map<string | undefined, Promise<Made>>();
      byDocument.set(document, ofDocument);
      const known = ofDocument.get(operationName);
      if (known !== undefined) return known;
      const made = planned(document, operationName);
      ofDocument.set(operationName, made);
      made.catch(() => ofDocument.delete(operationName));
      return made;
    },
  };
}

async function planOf(
  planner: QueryPlanner,
  schema: GraphQLSchema,
  document: DocumentNode,
  operationName?: string,
): Promise<Plan> {
  const operation = operationOf(document, operationName);
  const { asked, introspects, conditions } = examined(schema, document);
  const root = await rootOf(planner, asked, operation.name?.value);
  const [first, ...rest] = root?.kind === "Sequence" ? root.nodes : [root];
  const source = first?.kind === "Subscription" ? first.primary : undefined;
  return {
    operation,
    fragments: fragmentsOf(document),
    source,
    node: source === undefined ? root : { kind: "Sequence", nodes: rest.filter((node) => node !== undefined) },
    introspects,
    conditions,
  };
}

/**
 * The part of an operation for subgraphs: without introspection, answered here, and without fields excluded by a
 * constant. Adds `__typename` on interfaces and unions, which shaping needs.
 */
function examined(schema: GraphQLSchema, document: DocumentNode) {
  let introspects = false;
  const conditions = new Set<string>();
  const types = new TypeInfo(schema);
  const asked: DocumentNode = visit(
    document,
    visitWithTypeInfo(types, {
      Directive({ name, arguments: given }) {
        const value = given?.[0]?.value;
        if (LEAVES_OUT.has(name.value) && value?.kind === Kind.VARIABLE) conditions.add(value.name.value);
      },
      Field({ name, alias, directives }) {
        if (alias?.value.startsWith("__"))
          throw new MetrlyError("GRAPHQL_VALIDATION_FAILED", `"${alias.value}" is not allowed as an alias`);
        if (isLeftOut(directives)) return null;
        if (name.value !== "__schema" && name.value !== "__type") return undefined;
        introspects = true;
        return null;
      },
      InlineFragment: ({ directives }) => (isLeftOut(directives) ? null : undefined),
      FragmentSpread: ({ directives }) => (isLeftOut(directives) ? null : undefined),
      SelectionSet: {
        leave(set) {
          const type = types.getParentType();
          const isEmpty = set.selections.length === 0;
          const selections = isEmpty || isAbstractType(type) ? [...set.selections, TYPENAME] : set.selections;
          return { ...set, selections };
        },
      },
    }),
  );
  return { asked, introspects, conditions: [...conditions] };
}

const TYPENAME = { kind: Kind.FIELD, name: { kind: Kind.NAME, value: "__typename" } } as const;

const isLeftOut = (directives: readonly DirectiveNode[] = []): boolean =>
  directives.some(({ name, arguments: given }) => {
    const value = given?.[0]?.value;
    return value?.kind === Kind.BOOLEAN && value.value === (name.value === "skip") && LEAVES_OUT.has(name.value);
  });
const LEAVES_OUT: ReadonlySet<string> = new Set(["skip", "include"]);

async function rootOf(planner: QueryPlanner, document: DocumentNode, name?: string): Promise<PlanNode | undefined> {
  if (asksNothing(document, name)) return undefined;
  try {
    const plan = await planner.planAsync(print(document), name, new Set(NO_LABELS), 0);
    return plan.node;
  } catch (cause) {
    // Known limit of planner 0.0.38: a field that requires another subgraph, on an entity reached through its own subgraph.
    throw new MetrlyError(
      "TOO_COMPLEX",
      "No query plan exists for this nesting: request the innermost fields in a separate operation",
      { reason: messageOf(cause) },
    );
  }
}

/** A planner refuses operations without a subgraph: `{ __typename }`, or an operation reduced by introspection. */
function asksNothing(document: DocumentNode, name?: string): boolean {
  const operation = getOperationAST(document, name);
  const fragments = fragmentsOf(document);
  const isEmpty = (set: OperationDefinitionNode["selectionSet"] | undefined): boolean =>
    (set?.selections ?? []).every((selection) => {
      if (selection.kind === Kind.FIELD) return selection.name.value === "__typename";
      const inner = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragments[selection.name.value];
      return isEmpty(inner?.selectionSet);
    });
  return isEmpty(operation?.selectionSet);
}
