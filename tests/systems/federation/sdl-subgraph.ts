import { makeExecutableSchema } from "@graphql-tools/schema";
import { parse } from "graphql";
import type { Subgraph } from "#platform/graphql/subgraph.js";

/** A subgraph that records its requests. */
export interface CountedSubgraph extends Subgraph {
  /** The number of entities of each `_entities` call. */
  readonly entityCalls: number[];
}

export type Reference = Readonly<Record<string, unknown>> & { readonly __typename: string };
export type Resolvers = Record<string, Record<string, unknown>>;

const LINK = `extend schema @link(url: "https://specs.apollo.dev/federation/v2.5", import: ["@key", "@shareable", "@external", "@requires", "@provides"])`;

export interface SdlSubgraphOptions {
  readonly name: string;
  readonly types: string;
  readonly resolvers: Resolvers;
  /** The object of a representation; null: it does not exist. */
  readonly find: (reference: Reference) => unknown;
  readonly entities: readonly string[];
}

/** A subgraph of plain SDL and resolvers, for tests of features that no service has. */
export function sdlSubgraph({ name, types, resolvers, find, entities }: SdlSubgraphOptions): CountedSubgraph {
  const entityCalls: number[] = [];
  const sdl = `${LINK}\n${types}`;
  const plain = types.replace(/@(key|requires|provides)\([^)]*\)|@external|@shareable/g, "");
  const schema = makeExecutableSchema({
    typeDefs: parse(`${plain}
      scalar _Any union _Entity = ${entities.join(" | ")} type _Service { sdl: String! }
      extend type Query { _entities(representations: [_Any!]!): [_Entity]! _service: _Service! }`),
    resolvers: {
      ...resolvers,
      _Entity: { __resolveType: ({ __typename }: Reference) => __typename },
      Query: {
        ...resolvers.Query,
        _service: () => ({ sdl }),
        _entities(_: unknown, { representations }: { representations: readonly Reference[] }) {
          entityCalls.push(representations.length);
          return representations.map((reference) => {
            const found = find(reference);
            return typeof found === "object" && found !== null ? { __typename: reference.__typename, ...found } : null;
          });
        },
      },
    },
  });
  return { name, sdl, schema, entityCalls };
}
