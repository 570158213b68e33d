import { composeServices, compositionHasErrors } from "@theguild/federation-composition";
import { buildASTSchema, lexicographicSortSchema, parse, printSchema } from "graphql";

/** The input of composition for one subgraph. */
export interface SubgraphSdl {
  readonly name: string;
  readonly sdl: string;
}

export interface Composition {
  /** The supergraph that the planner reads. */
  readonly supergraphSdl: string;
  /** The public API as clients see it, sorted so that diffs show only real changes. */
  readonly publicSdl: string;
}

/**
 * Composes the subgraphs. The address in the supergraph is only a name; the executor decides how to reach a subgraph.
 * Throws an `AggregateError` with every reason when composition fails.
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
