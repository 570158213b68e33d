import { type ExecutionResult, parse } from "graphql";
import { describe, expect, test } from "vitest";
import { MAX_ANSWER_BYTES } from "#platform/graphql/answer-size.js";
import { composeSupergraph } from "../composition.js";
import { createFederation } from "./federation.js";

const LINK = `extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key"])`;
const BOOKS = `${LINK} scalar JSON
  type Query { books: [Book!]! note: JSON } type Book { title: String! author: Author! } type Author @key(fields: "id") { id: ID! }`;
const AUTHORS = `${LINK} type Author @key(fields: "id") { id: ID! life: String! works: [String!] }`;

/** Books of one author each, or all of the same, and what the author's life tells. */
async function ask(query: string, books: readonly object[], author: object, errors?: ExecutionResult["errors"]) {
  const subgraphs = [
    { name: "books", sdl: BOOKS },
    { name: "authors", sdl: AUTHORS },
  ];
  const { schema, execute } = createFederation({
    supergraphSdl: composeSupergraph(subgraphs).supergraphSdl,
    executorOf: (name) => async () =>
      name === "books"
        ? { data: { books: structuredClone(books), note: books }, ...(errors && { errors }) }
        : { data: { _entities: [{ __typename: "Author", ...author }] } },
  });
  const context = { identity: { kind: "USER", id: "u", tenantId: null, roles: [], scopes: [] } };
  return execute({ schema, document: parse(query), contextValue: context });
}

const list = (count: number, title: string) =>
  Array.from({ length: count }, () => ({ title, author: { __typename: "Author", id: "1" } }));
const TITLES = "{ books { title } }";
const LIVES = "{ books { author { life } } }";
const half = "x".repeat(MAX_ANSWER_BYTES / 2 - 100);

describe("an answer that is larger than the limit is TOO_LARGE, without data, and says what to ask for instead", () => {
  test.each([
    ["many values", TITLES, list(3, half), {}],
    ["many objects", "{ books { title author { id } } }", list(200_000, ""), {}],
    ["structured values", "{ note }", list(3, half), {}],
    ["one large entity at many places", LIVES, list(3, ""), { life: half }],
    ["characters of several bytes", TITLES, list(1, "ä".repeat(MAX_ANSWER_BYTES / 2)), {}],
  ])("%s", async (_, query, books, author) => {
    const { data, errors } = await ask(query, books, author);
    expect(data).toBeUndefined();
    expect(errors).toHaveLength(1);
    expect(errors?.[0]).toMatchObject({
      extensions: { code: "TOO_LARGE" },
      message: expect.stringContaining("smaller pages"),
    });
  });

  test("also where an error puts it on the slow path", async () => {
    const broken = [...list(3, half), { title: null, author: null }];
    const { data, errors } = await ask(TITLES, broken, {});
    expect(data).toBeUndefined();
    expect(errors).toMatchObject([{ extensions: { code: "TOO_LARGE" } }]);
  });
});

test("an answer up to the limit is complete", async () => {
  expect((await ask(TITLES, list(1, half), {})).data).toMatchObject({ books: [{ title: half }] });
  expect((await ask(LIVES, list(1, ""), { life: half })).data).toMatchObject({ books: [{ author: { life: half } }] });
});
