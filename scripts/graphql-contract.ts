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

/** The differences of a composed API from the fixed contract; all lists are empty if it conforms. */
export interface ContractComparison {
  /** In the contract, but neither in the API nor pending. */
  readonly missing: readonly string[];
  /** In both, but different: the contract's shape and the API's. */
  readonly different: readonly string[];
  /** Pending although the API has it or the contract lacks it: remove it from the list. */
  readonly notPending: readonly string[];
}

/**
 * Whether the API is a superset of the contract, except for pending coordinates (`Type`, `Type.field`,
 * `Type.field(argument:)`) and everything below them. Names, types, nullability and defaults must match; additional
 * fields, types, values and optional arguments are allowed.
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
        .map(([coordinate, shape]) => `${coordinate} is ${api.get(coordinate)?.text}, the contract has ${shape.text}`),
      ...newlyRequired(api, contract).map((coordinate) => `${coordinate} is required, but not in the contract`),
    ],
    notPending: pending.filter((entry) => !differing.some(([coordinate]) => ancestors(coordinate).includes(entry))),
  };
}

/** Breaking changes against the released API, as graphql-js words them, without the marked ones; and marks without a change. */
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
  /** Kind, or type and default: must be equal on both sides. */
  readonly text: string;
  /** Whether clients must send it. */
  readonly required: boolean;
}

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

/** Inputs that the API requires and the contract does not have. */
function newlyRequired(api: ReadonlyMap<string, Shape>, contract: ReadonlyMap<string, Shape>): string[] {
  return [...api]
    .filter(([coordinate, { required }]) => required && !contract.has(coordinate))
    .map(([coordinate]) => coordinate)
    .filter((coordinate) => contract.has(parentOf(coordinate)));
}

const parentOf = (coordinate: string): string => coordinate.replace(/\(.*$|\.[^.(]*$/, "");
