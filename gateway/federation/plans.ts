import { type FetchNode, type PlanNode, QueryPlanner } from "@graphql-hive/router-query-planner";
import {
  type DirectiveNode,
  type DocumentNode,
  type FragmentDefinitionNode,
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
import { LRUCache } from "lru-cache";
import { MetrlyError } from "#kernel/errors.js";

/** Each is some kilobytes and the code made of it. */
const MAX_PLANS = 500;
const NO_LABELS: ReadonlySet<string> = new Set();

/** Who is asked what, in which order, to answer one operation. */
export interface Plan {
  readonly operation: OperationDefinitionNode;
  readonly fragments: Readonly<Record<string, FragmentDefinitionNode>>;
  /** The subscription that starts it all. */
  readonly source: FetchNode | undefined;
  /** Undefined: nobody needs to be asked. */
  readonly node: PlanNode | undefined;
  readonly introspects: boolean;
  /** On which `@skip` and `@include` depend. */
  readonly conditions: readonly string[];
}

/**
 * Keeps what `make` makes of each operation's plan. Planning is another thread's work; whoever asks for the same operation
 * meanwhile waits for the same plan.
 */
export function createPlans<Made>(
  planner: QueryPlanner,
  schema: GraphQLSchema,
  make: (document: DocumentNode, plan: Plan) => Made,
) {
  const byText = new LRUCache<string, Promise<Made>>({ max: MAX_PLANS });
  // Apollo keeps parsed documents: for them the text need not be made again.
  const texts = new WeakMap<DocumentNode, string>();

  async function planned(document: DocumentNode, operationName: string | undefined): Promise<Made> {
    return make(document, await planOf(planner, schema, document, operationName));
  }

  return {
    /** For a validated document. */
    get(document: DocumentNode, operationName: string | undefined): Promise<Made> {
      const text = texts.get(document) ?? print(document);
      texts.set(document, text);
      const key = `${operationName ?? ""}\n${text}`;
      const known = byText.get(key);
      if (known !== undefined) return known;
      const made = planned(document, operationName);
      byText.set(key, made);
      made.catch(() => byText.delete(key));
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
  const operation = getOperationAST(document, operationName);
  if (!operation) throw new MetrlyError("INVALID", "The document has no such operation, or several and no name");
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

export const fragmentsOf = (document: DocumentNode): Plan["fragments"] =>
  Object.fromEntries(document.definitions.filter(isFragment).map((each) => [each.name.value, each]));

const isFragment = (node: DocumentNode["definitions"][number]): node is FragmentDefinitionNode =>
  node.kind === Kind.FRAGMENT_DEFINITION;

/**
 * What subgraphs can be asked for: not the schema, which is answered here, nor what a constant leaves out. The types of
 * interfaces and unions are asked for in any case, since the answer is shaped by them.
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
          throw new MetrlyError("GRAPHQL_VALIDATION_FAILED", `A field cannot be called "${alias.value}"`);
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
    // Known of planner 0.0.38: a field that needs another subgraph's, of an entity that its own subgraph led back to.
    throw new MetrlyError(
      "TOO_COMPLEX",
      "The operation asks around too many corners: ask for its innermost fields apart",
      { reason: reasonOf(cause) },
    );
  }
}

const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

/** A planner refuses operations that need no subgraph: `{ __typename }`, or what introspection leaves. */
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
