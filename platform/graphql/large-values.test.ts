import { parse } from "graphql";
import { Arg, Directive, Field, Int, ObjectType, Query, Resolver } from "type-graphql";
import { expect, test } from "vitest";
import { MAX_ANSWER_BYTES, MAX_READ_BYTES, readSizeOf } from "./answer-size.js";
import { createGraphqlExecution } from "./execution.js";
import { JsonScalar } from "./scalars.js";
import { buildSubgraph, type SubgraphContext } from "./subgraph.js";

@ObjectType("Letter")
class Letter {
  @Directive("@cost(weight: 10)")
  @Field(() => JsonScalar)
  readonly content!: unknown;
  @Field(() => String) readonly title!: string;
}

@Resolver(() => Letter)
class Letters {
  @Query(() => [Letter]) letters(@Arg("count", () => Int) count: number): Letter[] {
    return Array.from({ length: count }, () => ({ content: { text: "x".repeat(MAX_ANSWER_BYTES / 4) }, title: "t" }));
  }
}

const context = (): SubgraphContext => ({ identity: { kind: "USER", id: "u", tenantId: null, roles: [], scopes: [] } });

test("an operation that has read too much for its answer is one error", async () => {
  const { schema } = await buildSubgraph({ name: "letters", resolvers: [new Letters()], references: {} });
  const reader = context();
  readSizeOf(reader).take(MAX_READ_BYTES);
  const ask = { document: parse("{ letters(count: 1) { title } }"), variables: {}, context: reader };
  const execute = createGraphqlExecution(schema);
  expect((await execute(ask)).data?.letters).toHaveLength(1);
  expect(() => readSizeOf(reader).take(1)).toThrow("smaller pages");
  expect(await execute(ask)).toMatchObject({ errors: [{ extensions: { code: "TOO_LARGE" } }] });
});

/** Often enough to be compiled. */
test("large values are counted as they are resolved: too many are one error, interpreted and compiled", async () => {
  const { schema } = await buildSubgraph({ name: "letters", resolvers: [new Letters()], references: {} });
  const execute = createGraphqlExecution(schema);
  const large = parse("query ($n: Int!) { letters(count: $n) { content } }");
  const small = parse("query ($n: Int!) { letters(count: $n) { title } }");
  for (let round = 0; round < 5; round += 1) {
    const ask = (document: typeof large, n: number) => execute({ document, variables: { n }, context: context() });
    expect((await ask(large, 3)).data?.letters).toHaveLength(3);
    expect((await ask(small, 50)).data?.letters).toHaveLength(50);
    const { data, errors } = await ask(large, 5);
    expect(data).toBeUndefined();
    expect(errors).toMatchObject([{ extensions: { code: "TOO_LARGE" } }]);
  }
});
