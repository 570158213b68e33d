import {
  type ArgumentNode,
  type DocumentNode,
  type FieldNode,
  Kind,
  type ObjectTypeDefinitionNode,
  type OperationDefinitionNode,
  parse,
  print,
  type TypeNode,
  type VariableDefinitionNode,
  visit,
} from "graphql";

/** Resumable subscription fields, which have an argument `after` and a field `cursor`, with the type of `after`. */
export type ResumableFields = ReadonlyMap<string, TypeNode>;

export function resumableFields(sdl: string): ResumableFields {
  const { definitions } = parse(sdl);
  const types = new Map<string, ObjectTypeDefinitionNode>();
  for (const definition of definitions)
    if (definition.kind === Kind.OBJECT_TYPE_DEFINITION) types.set(definition.name.value, definition);
  const found = new Map<string, TypeNode>();
  for (const field of types.get("Subscription")?.fields ?? []) {
    const after = field.arguments?.find(({ name }) => name.value === "after");
    const cursor = types.get(namedType(field.type))?.fields?.some(({ name }) => name.value === "cursor");
    if (after !== undefined && cursor === true) found.set(field.name.value, after.type);
  }
  return found;
}

const namedType = (type: TypeNode): string => (type.kind === Kind.NAMED_TYPE ? type.name.value : namedType(type.type));

export interface PreparedSubscription {
  /** Whether it is resumable: only then are positions known. */
  readonly isResumable: boolean;
  /** The same operation as a document and as text. */
  readonly document: DocumentNode;
  readonly query: string;
  /** Variables to resume after `cursor`; undefined: start where the client asked. */
  variables(cursor: unknown): Record<string, unknown>;
  /** Variables to start from now on. */
  variablesFromNow(): Record<string, unknown>;
  /** Removes the position from a result's data; undefined: it has none. */
  takeCursor(data: Record<string, unknown>): unknown;
  /** The client's starting position; undefined: from now on, or not resumable. */
  readonly after: unknown;
}

/** Names added to a subscription; a subscription prepared twice gets other names. */
interface AddedNames {
  readonly after: string;
  readonly cursor: string;
}
const OWN_NAMES: AddedNames = { after: "metrlyAfter", cursor: "metrlyCursor" };
export const SHARED_NAMES: AddedNames = { after: "metrlySharedAfter", cursor: "metrlySharedCursor" };

/**
 * Rewrites subscriptions to select their cursor and to start after one: the same text for each attempt. A document is
 * rewritten once, and the result goes with it.
 */
export function createSubscriptionPreparation(fields: ResumableFields, names: AddedNames = OWN_NAMES) {
  const known = new WeakMap<DocumentNode, Rewritten>();
  function rewrittenOf(document: DocumentNode): Rewritten {
    const rewritten = known.get(document) ?? rewrite(document, fields, names);
    known.set(document, rewritten);
    return rewritten;
  }
  return (document: DocumentNode, variables: Readonly<Record<string, unknown>>): PreparedSubscription => {
    const rewritten = rewrittenOf(document);
    if (!rewritten.isResumable)
      return {
        ...{ isResumable: false, document, query: rewritten.query, after: undefined },
        variables: () => ({ ...variables }),
        variablesFromNow: () => ({ ...variables }),
        takeCursor: () => undefined,
      };
    const after = valueOfArgument(rewritten.after, variables);
    const kept = Object.fromEntries(Object.entries(variables).filter(([name]) => rewritten.used.has(name)));
    return {
      isResumable: true,
      document: rewritten.document,
      query: rewritten.query,
      variables: (cursor) => ({ ...kept, [names.after]: cursor ?? after ?? null }),
      variablesFromNow: () => ({ ...kept, [names.after]: null }),
      takeCursor: (data) => takeCursor(data[rewritten.responseKey], names),
      after,
    };
  };
}

/** What does not depend on the variables. */
type Rewritten =
  | { readonly isResumable: false; readonly query: string }
  | {
      readonly isResumable: true;
      readonly document: DocumentNode;
      readonly query: string;
      /** The client's argument. */
      readonly after: ArgumentNode | undefined;
      readonly responseKey: string;
      /** Names of variables. */
      readonly used: ReadonlySet<string>;
    };

function rewrite(document: DocumentNode, fields: ResumableFields, names: AddedNames): Rewritten {
  const field = rootField(document);
  const afterType = field && fields.get(field.name.value);
  if (field?.selectionSet === undefined || afterType === undefined)
    return { isResumable: false, query: print(document) };
  const asking = withPosition(field, document, afterType, names);
  return {
    isResumable: true,
    document: asking,
    query: print(asking),
    after: field.arguments?.find(isAfter),
    responseKey: (field.alias ?? field.name).value,
    used: usedVariables(asking),
  };
}

function rootField(document: DocumentNode): FieldNode | undefined {
  const fields = operationOf(document)?.selectionSet.selections.filter((selection) => selection.kind === Kind.FIELD);
  return fields?.length === 1 ? fields[0] : undefined;
}

const operationOf = (document: DocumentNode): OperationDefinitionNode | undefined =>
  document.definitions.find((definition) => definition.kind === Kind.OPERATION_DEFINITION);

const isAfter = ({ name }: ArgumentNode): boolean => name.value === "after";

function valueOfArgument(argument: ArgumentNode | undefined, variables: Readonly<Record<string, unknown>>): unknown {
  const value = argument?.value;
  if (value?.kind === Kind.VARIABLE) return variables[value.name.value] ?? undefined;
  return value?.kind === Kind.STRING ? value.value : undefined;
}

function withPosition(field: FieldNode, document: DocumentNode, afterType: TypeNode, names: AddedNames): DocumentNode {
  const variable = { kind: Kind.VARIABLE, name: { kind: Kind.NAME, value: names.after } } as const;
  const positioned: FieldNode = {
    ...field,
    arguments: [
      ...(field.arguments ?? []).filter((argument) => !isAfter(argument)),
      { kind: Kind.ARGUMENT, name: { kind: Kind.NAME, value: "after" }, value: variable },
    ],
    selectionSet: {
      kind: Kind.SELECTION_SET,
      selections: [
        ...(field.selectionSet?.selections ?? []),
        {
          kind: Kind.FIELD,
          alias: { kind: Kind.NAME, value: names.cursor },
          name: { kind: Kind.NAME, value: "cursor" },
        },
      ],
    },
  };
  const rewritten = visit(document, { Field: (node) => (node === field ? positioned : undefined) });
  const used = usedVariables(rewritten);
  const definition: VariableDefinitionNode = { kind: Kind.VARIABLE_DEFINITION, variable, type: afterType };
  return visit(rewritten, {
    OperationDefinition: (node) => ({
      ...node,
      // An unused variable would make the operation invalid.
      variableDefinitions: [...(node.variableDefinitions ?? []).filter((each) => used.has(nameOf(each))), definition],
    }),
  });
}

const nameOf = (definition: VariableDefinitionNode): string => definition.variable.name.value;

function usedVariables(document: DocumentNode): ReadonlySet<string> {
  const used = new Set<string>();
  visit(document, {
    VariableDefinition: () => false,
    Variable: (node) => {
      used.add(node.name.value);
    },
  });
  return used;
}

function takeCursor(event: unknown, names: AddedNames): unknown {
  if (typeof event !== "object" || event === null) return undefined;
  const fields: Record<string, unknown> = event as Record<string, unknown>;
  const cursor = fields[names.cursor];
  delete fields[names.cursor];
  return cursor ?? undefined;
}
