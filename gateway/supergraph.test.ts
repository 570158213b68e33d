import { readFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { packageRoot } from "#platform/process/package-root.js";
import { SERVICES } from "#platform/process/services.js";
import { composeSupergraph } from "./composition.js";
import { supergraphOf } from "./supergraph.js";

const committed = (name: string) => readFile(path.join(packageRoot(), "schema/graphql", `${name}.graphql`), "utf8");

const committedSubgraphs = () =>
  Promise.all(SERVICES.map(async (name) => ({ name: name as string, sdl: await committed(name) })));

test("the committed supergraph is what composing the committed subgraphs gives", async () => {
  const subgraphs = await committedSubgraphs();
  expect(await supergraphOf(subgraphs)).toBe(composeSupergraph(subgraphs).supergraphSdl);
});

test("subgraphs that differ from the committed ones are composed", async () => {
  const subgraphs = await committedSubgraphs();
  const changed = subgraphs.map(({ name, sdl }) => ({
    name,
    sdl: name === "tenancy" ? sdl.replace("type Query {", "type Query {\n  addedHere: String") : sdl,
  }));
  expect(await supergraphOf(changed)).toContain("addedHere");
  // A part of them does not compose: it is asked to.
  await expect(supergraphOf(subgraphs.filter(({ name }) => name === "tenancy"))).rejects.toThrow();
});
