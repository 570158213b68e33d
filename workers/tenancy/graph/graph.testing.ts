import { graphql } from "graphql";
import { maskError, type Subgraph, type SubgraphContext } from "#platform/graphql/subgraph.js";
import type { Identity } from "#schema/policy.js";

/** For tests: executes an operation as someone. Errors come out as clients see them; a bug fails the test. */
export async function ask(
  subgraph: Subgraph,
  identity: Identity,
  source: string,
  variables: Readonly<Record<string, unknown>> = {},
  context: SubgraphContext = { identity },
) {
  const result = await graphql({
    schema: subgraph.schema,
    source,
    variableValues: variables,
    contextValue: context,
  });
  const errors = (result.errors ?? []).map((error) =>
    maskError(error, (bug) => {
      throw bug;
    }),
  );
  // The shape is the query's: the tests that read it know it.
  const data = JSON.parse(JSON.stringify(result.data ?? null));
  return { data, errors, codes: errors.map((error) => error.extensions.code) };
}
