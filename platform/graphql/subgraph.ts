import "reflect-metadata";
import { makeExecutableSchema } from "@graphql-tools/schema";
import { type IResolvers, printSchemaWithDirectives } from "@graphql-tools/utils";
import { GraphQLError, type GraphQLSchema, parse, validateSchema } from "graphql";
import { type BuildSchemaOptions, buildSchema, createResolversMap, type NonEmptyArray } from "type-graphql";
import { timeLimitRefusal } from "#kernel/database-time.js";
import { isErrorCode, MetrlyError } from "#kernel/errors.js";
import type { Identity } from "#schema/policy.js";
import { countLargeValues } from "./large-values.js";
import { notePropagation, type Propagation } from "./propagation.js";

/** The context of every resolver of every service. */
export interface SubgraphContext {
  readonly identity: Identity;
  /** Aborts when nobody waits for a query's answer any more: what waits gives up, what reads stops at the next page. */
  readonly signal?: AbortSignal | undefined;
}

/** One service's part of the graph. */
export interface Subgraph {
  readonly name: string;
  /** Federation 2 SDL, with its `@link`. */
  readonly sdl: string;
  /** The executable schema, with `_entities` and `_service`. */
  readonly schema: GraphQLSchema;
}

/** Resolves an entity that another subgraph references by its key; null: it does not exist. */
export type ReferenceResolver = (
  reference: Readonly<Record<string, unknown>>,
  context: SubgraphContext,
) => Promise<object | null> | object | null;

export interface SubgraphOptions {
  readonly name: string;
  /** type-graphql resolver instances, one per class: constructed by the service with its dependencies, no container. */
  readonly resolvers: readonly object[];
  /** By type name. Every `@key` type that other subgraphs reference needs one. */
  readonly references: Readonly<Record<string, ReferenceResolver>>;
  /** Awaited after each mutation that succeeded, before anything of its answer is read; what it tells becomes part of the answer. */
  readonly afterMutation?: () => Promise<Propagation>;
  /** `@ObjectType` classes that are only reached by reference. */
  readonly orphanedTypes?: BuildSchemaOptions["orphanedTypes"];
}

const LINK = `extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@shareable", "@external", "@requires", "@provides", "@inaccessible", "@cost", "@listSize"])`;
const FEDERATION_TYPES = /* GraphQL */ `
  scalar _Any
  scalar federation__FieldSet
  scalar link__Import
  type _Service { sdl: String! }
  directive @key(fields: federation__FieldSet!, resolvable: Boolean = true) repeatable on OBJECT | INTERFACE
  directive @shareable repeatable on OBJECT | FIELD_DEFINITION
  directive @external on OBJECT | FIELD_DEFINITION
  directive @requires(fields: federation__FieldSet!) on FIELD_DEFINITION
  directive @provides(fields: federation__FieldSet!) on FIELD_DEFINITION
  directive @inaccessible on OBJECT | FIELD_DEFINITION
  directive @cost(weight: Int!) on FIELD_DEFINITION
  directive @listSize(assumedSize: Int) on FIELD_DEFINITION
  directive @link(url: String!, import: [link__Import]) repeatable on SCHEMA
`;

/** Builds a federation subgraph from type-graphql classes, without Apollo's libraries. */
export async function buildSubgraph(options: SubgraphOptions): Promise<Subgraph> {
  const instances = new Map<unknown, object>(options.resolvers.map((instance) => [instance.constructor, instance]));
  const schema = await buildSchema({
    resolvers: resolverClasses(options.resolvers),
    ...(options.orphanedTypes !== undefined && { orphanedTypes: options.orphanedTypes }),
    container: { get: (cls) => instances.get(cls) },
    validate: false,
    // It would require a query of the service's own; the finished schema is checked below.
    skipCheck: true,
    // Subscriptions have their own `subscribe`; type-graphql still requires the option.
    pubSub: {
      publish: () => undefined,
      subscribe: () => ({ [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true, value: undefined }) }) }),
    },
  });
  const sdl = `${LINK}\n${printSchemaWithDirectives(schema)}`;
  const entities = Object.keys(options.references);
  for (const name of entities) {
    if (schema.getType(name) === undefined)
      throw new Error(`subgraph ${options.name}: nothing reaches the type ${name}; add its class to orphanedTypes`);
  }
  const { resolveEntities, typeOf } = entityResolvers(options.references);
  const entityTypes =
    entities.length === 0
      ? ""
      : `union _Entity = ${entities.join(" | ")}\nextend type Query { _entities(representations: [_Any!]!): [_Entity]! }`;
  const resolvers = createResolversMap(schema) as IResolvers & Roots;
  countLargeValues(schema, resolvers);
  if (options.afterMutation !== undefined) settleMutations(resolvers.Mutation ?? {}, options.afterMutation);
  return {
    name: options.name,
    sdl,
    schema: checked(
      makeExecutableSchema({
        typeDefs: parse(`${FEDERATION_TYPES}\n${sdl}\n${entityTypes}\nextend type Query { _service: _Service! }`),
        resolvers: {
          ...resolvers,
          Query: {
            ...resolvers.Query,
            _service: () => ({ sdl }),
            ...(entities.length > 0 && { _entities: resolveEntities }),
          },
          ...(entities.length > 0 && { _Entity: { __resolveType: typeOf } }),
        },
        assumeValidSDL: true,
        resolverValidationOptions: { requireResolversToMatchSchema: "ignore" },
      }),
    ),
  };
}

interface Roots {
  readonly Query?: Record<string, unknown>;
  readonly Mutation?: Record<string, unknown>;
}

function settleMutations(mutations: Record<string, unknown>, settle: () => Promise<Propagation>): void {
  for (const [name, mutate] of Object.entries(mutations)) {
    if (typeof mutate !== "function") continue;
    mutations[name] = async (...args: [unknown, unknown, SubgraphContext, unknown]) => {
      const result: unknown = await Reflect.apply(mutate, undefined, args);
      notePropagation(args[2], await settle());
      return result;
    };
  }
}

function checked(schema: GraphQLSchema): GraphQLSchema {
  const [first] = validateSchema(schema);
  if (first !== undefined) throw first;
  return schema;
}

/** The type of type-graphql's `Function`. */
type ResolverClass = BuildSchemaOptions["resolvers"][number];

function resolverClasses(instances: readonly object[]): NonEmptyArray<ResolverClass> {
  const [first, ...rest] = instances.map((instance) => instance.constructor);
  if (first === undefined) throw new Error("a subgraph needs a resolver");
  return [first, ...rest];
}

type Representation = Readonly<Record<string, unknown>> & { readonly __typename: string };

function entityResolvers(references: SubgraphOptions["references"]) {
  // Beside the objects, not in them: a service may return its own, shared and frozen ones.
  const typeNames = new WeakMap<object, string>();
  async function resolveOne(representation: Representation, context: SubgraphContext): Promise<object | null> {
    try {
      const resolve = references[representation.__typename];
      if (resolve === undefined) throw new Error(`no entity ${representation.__typename}`);
      const found = await resolve(representation, context);
      if (found !== null) typeNames.set(found, representation.__typename);
      return found;
    } catch (error) {
      // Returned, not thrown: GraphQL reports it at this entity's place and the other entities resolve.
      return error instanceof Error ? error : new Error(String(error));
    }
  }
  return {
    resolveEntities: (_: unknown, args: { representations: readonly Representation[] }, context: SubgraphContext) =>
      Promise.all(args.representations.map((representation) => resolveOne(representation, context))),
    typeOf: (value: object) => typeNames.get(value),
  };
}

/**
 * The error that clients see. A `MetrlyError` keeps its code; GraphQL's own request errors are unchanged; what a limit of the
 * database ended is refused with what to ask for instead; every other error is a bug: `onBug` logs it and the client gets INTERNAL.
 */
export function maskError(error: GraphQLError, onBug: (error: unknown) => void): GraphQLError {
  const original = error.originalError ?? undefined;
  if (original instanceof MetrlyError) {
    return rebuilt(error, original.message, { ...original.extensions, code: original.code });
  }
  if (isErrorCode(error.extensions.code)) return error;
  if (original === undefined) return error;
  const refusal = timeLimitRefusal(original);
  if (refusal !== undefined) return rebuilt(error, refusal.message, { code: refusal.code });
  onBug(original);
  return rebuilt(error, "Internal error", { code: "INTERNAL" });
}

function rebuilt(error: GraphQLError, message: string, extensions: Record<string, unknown>): GraphQLError {
  return new GraphQLError(message, {
    ...(error.nodes !== undefined && { nodes: error.nodes }),
    ...(error.path !== undefined && { path: error.path }),
    extensions,
  });
}
