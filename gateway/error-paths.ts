import {
  defaultFieldResolver,
  GraphQLError,
  type GraphQLFieldResolver,
  type GraphQLSchema,
  isObjectType,
} from "graphql";

type Path = readonly (string | number)[];
type Resolver = GraphQLFieldResolver<unknown, unknown>;
type Info = Parameters<Resolver>[3];

/**
 * Makes errors of subgraphs surface at the path where the client's answer has its null. Stitching completes all entities of a
 * list at once and knows only the list's path, so its errors lack the index (`tenants.nodes.usage` for `tenants.nodes[2].usage`).
 * Changes the resolvers of the given schema in place.
 */
export function locateErrors(schema: GraphQLSchema): GraphQLSchema {
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || type.name.startsWith("__")) continue;
    for (const field of Object.values(type.getFields()))
      field.resolve = locating(field.resolve ?? defaultFieldResolver);
  }
  return schema;
}

function locating(resolve: Resolver): Resolver {
  return (source, args, context, info) => {
    try {
      const result: unknown = resolve(source, args, context, info);
      if (!(result instanceof Promise)) return located(result, info);
      return result.then(
        (value: unknown) => located(value, info),
        (error: unknown) => {
          throw located(error, info);
        },
      );
    } catch (error) {
      throw located(error, info);
    }
  };
}

function located(value: unknown, info: Info): unknown {
  if (value instanceof GraphQLError && value.path !== undefined)
    return new GraphQLError(value.message, {
      path: pathAt(responsePath(info), value.path),
      originalError: value.originalError ?? null,
      extensions: { ...value.extensions },
      nodes: info.fieldNodes,
    });
  if (Array.isArray(value) && value.some((item) => item instanceof GraphQLError))
    return value.map((item: unknown, index) =>
      item instanceof GraphQLError
        ? located(item, { ...info, path: { prev: info.path, key: index, typename: undefined } })
        : item,
    );
  return value;
}

function responsePath({ path }: Info): Path {
  const keys: (string | number)[] = [];
  for (let at: Info["path"] | undefined = path; at !== undefined; at = at.prev) keys.unshift(at.key);
  return keys;
}

/**
 * Where the field is in the answer, and below it what the error says further: a subgraph's null may have risen to this field
 * from deeper in. `told` is the error's path, which may lack indices that `at` has.
 */
export function pathAt(at: Path, told: Path): Path {
  let used = 0;
  for (const key of at) {
    if (told[used] === key) used += 1;
    else if (typeof key === "string") return at;
  }
  return [...at, ...told.slice(used)];
}
