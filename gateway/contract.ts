import {
  buildSchema,
  findBreakingChanges,
  type GraphQLArgument,
  type GraphQLInputField,
  type GraphQLNamedType,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isObjectType,
  isRequiredArgument,
  isRequiredInputField,
  isSpecifiedScalarType,
} from "graphql";

/** How a composed API stands to the fixed contract; every list empty: it keeps it. */
export interface ContractComparison {
  /** In the contract, not in the API, and not on the list of what is still to come. */
  readonly missing: readonly string[];
  /** In both, but not the same: what the contract says, and what the API says. */
  readonly different: readonly string[];
  /** On the list although it is there by now, or although the contract has no such thing: the list must shrink. */
  readonly notPending: readonly string[];
}

/**
 * Whether the API is a superset of the contract, but for the coordinates (`Type`, `Type.field`, `Type.field(argument:)`) listed
 * as pending. A pending coordinate covers what lies below it. Names, types, nullability and defaults must be the contract's;
 * fields, types, values and optional arguments may be more.
 */
export function compareContract(apiSdl: string, contractSdl: string, pending: readonly string[]): ContractComparison {
  const api = shapeOf(buildSchema(apiSdl));
  const contract = shapeOf(buildSchema(contractSdl));
  const listed = new Set(pending);
  const differing = [...contract].filter(([coordinate, shape]) => api.get(coordinate)?.text !== shape.text);
  const open = differing.filter(([coordinate]) => !ancestors(coordinate).some((ancestor) => listed.has(ancestor)));
  return {
    missing: open.filter(([coordinate]) => !api.has(coordinate)).map(([coordinate]) => coordinate),
    different: [
      ...open
        .filter(([coordinate]) => api.has(coordinate))
        .map(([coordinate, shape]) => `${coordinate} is ${api.get(coordinate)?.text}, the contract says ${shape.text}`),
      ...newlyRequired(api, contract).map((coordinate) => `${coordinate} is required, the contract does not know it`),
    ],
    notPending: pending.filter((entry) => !differing.some(([coordinate]) => ancestors(coordinate).includes(entry))),
  };
}

/** What would break clients of the released API, in graphql-js' words, less what is marked as meant; and marks that mark nothing. */
export function breakingChanges(
  apiSdl: string,
  releasedSdl: string,
  marked: readonly string[],
): { readonly unmarked: readonly string[]; readonly stale: readonly string[] } {
  const found = findBreakingChanges(buildSchema(releasedSdl), buildSchema(apiSdl)).map(
    ({ description }) => description,
  );
  return {
    unmarked: found.filter((description) => !marked.includes(description)),
    stale: marked.filter((description) => !found.includes(description)),
  };
}

interface Shape {
  /** Kind, or type and default: what must be the same on both sides. */
  readonly text: string;
  /** Whether clients must send it. */
  readonly required: boolean;
}

/** Every coordinate of a schema. */
function shapeOf(schema: GraphQLSchema): ReadonlyMap<string, Shape> {
  const shapes = new Map<string, Shape>();
  for (const type of Object.values(schema.getTypeMap())) {
    if (type.name.startsWith("__") || isSpecifiedScalarType(type)) continue;
    shapes.set(type.name, { text: kindOf(type), required: false });
    for (const [coordinate, shape] of membersOf(type)) shapes.set(`${type.name}.${coordinate}`, shape);
  }
  return shapes;
}

const kindOf = (type: GraphQLNamedType): string => type.constructor.name.replace(/^GraphQL|Type$/g, "");

function membersOf(type: GraphQLNamedType): [string, Shape][] {
  if (isEnumType(type)) return type.getValues().map(({ name }) => [name, { text: "a value", required: false }]);
  if (isInputObjectType(type))
    return Object.values(type.getFields()).map((field) => [field.name, inputShape(field, isRequiredInputField(field))]);
  if (!isObjectType(type)) return [];
  return Object.values(type.getFields()).flatMap((field) => [
    [field.name, { text: String(field.type), required: false }] satisfies [string, Shape],
    ...field.args.map((argument): [string, Shape] => [
      `${field.name}(${argument.name}:)`,
      inputShape(argument, isRequiredArgument(argument)),
    ]),
  ]);
}

function inputShape({ type, defaultValue }: GraphQLArgument | GraphQLInputField, required: boolean): Shape {
  return { text: defaultValue === undefined ? String(type) : `${type} = ${JSON.stringify(defaultValue)}`, required };
}

/** `Query.tenant(id:)` lies below `Query.tenant`, which lies below `Query`. */
function ancestors(coordinate: string): string[] {
  const [type = ""] = coordinate.split(".");
  return [coordinate, coordinate.replace(/\(.*$/, ""), type];
}

/** What a client that follows the contract does not send and the API insists on. */
function newlyRequired(api: ReadonlyMap<string, Shape>, contract: ReadonlyMap<string, Shape>): string[] {
  return [...api]
    .filter(([coordinate, { required }]) => required && !contract.has(coordinate))
    .map(([coordinate]) => coordinate)
    .filter((coordinate) => contract.has(parentOf(coordinate)));
}

const parentOf = (coordinate: string): string => coordinate.replace(/\(.*$|\.[^.(]*$/, "");
