import { type GraphQLSchema, isAbstractType, isObjectType } from "graphql";

/** A JSON object in a plan's execution: subgraph responses and entity representations. */
export type Data = Record<string, unknown>;
export type Path = readonly (string | number)[];

export const isData = (value: unknown): value is Data =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Whether a `__typename` satisfies a type condition: a name, several, or those of an interface or union. */
export type TypeTest = (typename: unknown, condition: string | readonly string[]) => boolean;

export function typeTestOf(schema: GraphQLSchema): TypeTest {
  const isOf = (typename: string, condition: string): boolean => {
    if (typename === condition) return true;
    const [type, wanted] = [schema.getType(typename), schema.getType(condition)];
    return isObjectType(type) && isAbstractType(wanted) && schema.isSubType(wanted, type);
  };
  return (typename, condition) =>
    typeof typename === "string" &&
    (typeof condition === "string" ? isOf(typename, condition) : condition.some((one) => isOf(typename, one)));
}

/**
 * Merges another subgraph's data into `target`, item by item. Nulls in `source` never overwrite values. Changes `target`,
 * which may share parts of `source`.
 */
export function mergeInto(target: Data, source: Data): void {
  for (const key of Object.keys(source)) {
    const value = source[key];
    const there = Object.hasOwn(target, key) ? target[key] : undefined;
    if (isData(there) && isData(value)) mergeInto(there, value);
    else if (Array.isArray(there) && Array.isArray(value)) mergeItems(there, value);
    else if (value !== undefined && (value !== null || there === undefined)) target[key] = value;
  }
}

function mergeItems(target: unknown[], source: readonly unknown[]): void {
  source.forEach((value, index) => {
    const there = target[index];
    if (isData(there) && isData(value)) mergeInto(there, value);
    else if (Array.isArray(there) && Array.isArray(value)) mergeItems(there, value);
    else if (there === undefined || there === null) target[index] = value;
  });
}

/** A deep copy, so that merging into it leaves the original unchanged. */
export function copyOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copyOf);
  if (!isData(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, copyOf(inner)]));
}
