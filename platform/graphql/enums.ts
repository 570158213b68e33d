import { registerEnumType } from "type-graphql";

/** Registers a closed set as a GraphQL enum: each name is its own value. `meanings` are the descriptions of its members. */
export function enumOf<T extends string>(
  name: string,
  members: readonly T[],
  description: string,
  meanings: Readonly<Record<NoInfer<T>, string>>,
): { readonly [K in T]: K } {
  const object = Object.assign({}, ...members.map((member) => ({ [member]: member })));
  const valuesConfig = Object.fromEntries(members.map((member) => [member, { description: meanings[member] }]));
  registerEnumType(object, { name, description, valuesConfig });
  return object;
}
