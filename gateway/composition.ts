import { composeServices, compositionHasErrors } from "@theguild/federation-composition";
import { buildASTSchema, lexicographicSortSchema, parse, printSchema } from "graphql";

/** What composition needs to know of a subgraph. */
export interface SubgraphSdl {
  readonly name: string;
  readonly sdl: string;
}

export interface Composition {
  /** Which service answers what: what operations are planned by. */
  readonly supergraphSdl: string;
  /** The public API as clients see it, sorted, so that a diff shows changes and nothing else. */
  readonly publicSdl: string;
}

/**
 * Composes the subgraphs. The address in the supergraph is only a name: how a subgraph is reached is decided by whoever
 * executes. Throws an `AggregateError` with every reason when they do not fit together.
 */
export function composeSupergraph(subgraphs: readonly SubgraphSdl[]): Composition {
  const result = composeServices(
    subgraphs.map(({ name, sdl }) => ({ name, typeDefs: parse(sdl), url: `http://${name}/graphql` })),
  );
  if (compositionHasErrors(result)) {
    throw new AggregateError(
      result.errors,
      `the subgraphs do not compose:\n${result.errors.map((error) => `  - ${error.message}`).join("\n")}`,
    );
  }
  const schema = buildASTSchema(result.publicDocumentNode, { assumeValidSDL: true });
  return {
    supergraphSdl: `${result.supergraphSdl.trim()}\n`,
    publicSdl: `${printSchema(lexicographicSortSchema(schema)).trim()}\n`,
  };
}
