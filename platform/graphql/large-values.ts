import type { IResolvers } from "@graphql-tools/utils";
import {
  defaultFieldResolver,
  type GraphQLFieldResolver,
  type GraphQLSchema,
  getNamedType,
  isLeafType,
  isObjectType,
  OperationTypeNode,
} from "graphql";
import { answerSizeOf, jsonBytes } from "./answer-size.js";

type Resolver = GraphQLFieldResolver<unknown, object>;

/** Values with a declared `@cost` are large: makes them count towards the size of the answer as they are resolved. */
export function countLargeValues(schema: GraphQLSchema, resolvers: IResolvers): void {
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type)) continue;
    for (const field of Object.values(type.getFields())) {
      const isCostly = field.astNode?.directives?.some(({ name }) => name.value === "cost") ?? false;
      if (!isCostly || !isLeafType(getNamedType(field.type))) continue;
      const known = { ...(resolvers[type.name] as Record<string, Resolver> | undefined) };
      resolvers[type.name] = { ...known, [field.name]: counted(known[field.name] ?? defaultFieldResolver) };
    }
  }
}

const counted =
  (resolve: Resolver): Resolver =>
  (source, args, context, info) => {
    const value: unknown = resolve(source, args, context, info);
    // A subscription's context lives as long as the subscription.
    if (info.operation.operation === OperationTypeNode.SUBSCRIPTION) return value;
    const count = (resolved: unknown): unknown => {
      answerSizeOf(context).take(jsonBytes(resolved));
      return resolved;
    };
    return value instanceof Promise ? value.then(count) : count(value);
  };
