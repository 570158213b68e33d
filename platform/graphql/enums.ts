import { registerEnumType } from "type-graphql";

/** Registers a closed set as a GraphQL enum: each name is its own value. */
export function enumOf<T extends string>(
  name: string,
  members: readonly T[],
  description?: string,
): { readonly [K in T]: K } {
  const object = Object.assign({}, ...members.map((member) => ({ [member]: member })));
  registerEnumType(object, { name, ...(description !== undefined && { description }) });
  return object;
}
