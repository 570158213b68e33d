import { readdir, readFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import path from "node:path";
import { buildSchema, parse, validate } from "graphql";
import { afterAll, beforeAll, expect, test } from "vitest";
import { HOUR_MS } from "#kernel/duration.js";
import { packageRoot } from "#platform/process/package-root.js";
import { type GatewayWorld, startGatewayWorld } from "../../tests/systems/gateway/world.js";
import { ANONYMOUS } from "../auth/authentication.js";
import { createOperations } from "../operations/operation.js";
import { CHOSEN_TENANT } from "./operations/operation.js";
import { OPERATION_GROUPS } from "./operations/operations.js";

const BROWSER = path.join(packageRoot(), "gateway/explorer/browser");

let demo: GatewayWorld;
let production: GatewayWorld;
beforeAll(async () => {
  demo = await startGatewayWorld({ demo: true });
  production = await startGatewayWorld();
});
afterAll(() => Promise.all([demo.stop(), production.stop()]));

test("the page loads from its own origin only, and everything it names is there", async () => {
  const page = await demo.send("/", {});
  expect(page.status).toBe(200);
  expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect(page.headers.get("content-security-policy")).toContain("default-src 'self'");
  const named = [...page.text.matchAll(/\b(?:src|href)="([^"]*)"/g)].map((match) => match[1] ?? "");
  const files = named.filter((url) => !["data:,", "docs", "#main"].includes(url)).map((url) => `/${url}`);
  const own = (await readdir(BROWSER)).map((name) => `/explorer/${name}`);
  expect(own).toEqual(expect.arrayContaining(files));
  const libraries = ["react.js", "react-dom.js", "graphql-ws.js", "graphiql.js", "graphiql.css"];
  for (const file of [...own, ...libraries.map((name) => `/explorer/${name}`), "/explorer/operations.json"]) {
    expect(file).toMatch(/^\/explorer\//);
    const asset = await demo.send(file, {});
    expect(asset.status, file).toBe(200);
    expect(asset.text.length, file).toBeGreaterThan(100);
  }
  expect(page.text).not.toMatch(/<script(?![^>]*\bsrc=)/);
});

test("stylesheets and our scripts fetch nothing from elsewhere, and write no markup", async () => {
  const own = await readdir(BROWSER);
  for (const file of ["graphiql.css", ...own.filter((name) => name.endsWith(".css"))]) {
    const { text } = await demo.send(`/explorer/${file}`, {});
    const urls = [...text.matchAll(/url\(\s*["']?([^"')]{1,40})|@import\s+["']([^"']+)/g)].map(
      (m) => m[1] ?? m[2] ?? "",
    );
    for (const url of urls) expect(url).toMatch(/^data:/);
  }
  for (const file of own.filter((name) => name.endsWith(".js"))) {
    const text = (await readFile(path.join(BROWSER, file), "utf8")).replace("http://www.w3.org/2000/svg", "");
    expect(text, file).not.toMatch(/https?:\/\//);
    // Behind a proxy that adds a prefix, the page's own addresses have it.
    expect(text, file).not.toMatch(/["'`]\/|location\.origin/);
    expect(text, file).not.toMatch(/innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b/);
  }
});

test("other names below /explorer are not files", async () => {
  for (const name of ["nothing.js", "..%2f..%2fpackage.json", "toString", "__proto__"]) {
    expect((await demo.send(`/explorer/${name}`, {})).status).toBe(404);
  }
});

async function limits(api: "contract" | "api") {
  const schema = buildSchema(await readFile(path.join(packageRoot(), `schema/graphql/${api}.graphql`), "utf8"));
  const supergraphSdl = await readFile(path.join(packageRoot(), "schema/graphql/supergraph.graphql"), "utf8");
  const operations = createOperations(schema, supergraphSdl);
  return function assertFits(text: string, variables: Readonly<Record<string, unknown>>, what: string): void {
    const document = parse(text);
    expect(validate(schema, document), what).toEqual([]);
    const [operation] = document.definitions;
    if (operation?.kind !== "OperationDefinition") throw new Error(`no operation: ${what}`);
    const declared = (operation.variableDefinitions ?? []).map((definition) => definition.variable.name.value);
    expect(Object.keys(variables).sort(), what).toEqual(declared.sort());
    const context = { identity: { ...ANONYMOUS } };
    operations.admitted({ text, document, operationName: undefined, variables, context });
  };
}

test("every saved operation fits the public contract and the limits", async () => {
  const assertFits = await limits("contract");
  const saved = OPERATION_GROUPS.flatMap(({ operations }) => operations);
  for (const { title, query, variables } of saved) assertFits(query, variables, title);
  expect(new Set(saved.map(({ name }) => name)).size).toBe(saved.length);
});

test("what cannot be undone stands apart, and names no tenant before somebody fills one in", () => {
  const final = OPERATION_GROUPS.filter((group) => group.final).flatMap(({ operations }) => operations);
  expect(final.map(({ name }) => name)).toEqual([
    ...["CloseBillingPeriod", "VoidEvent", "VoidCredits", "RevokeApiKey", "CloseTenant"],
  ]);
  for (const { variables } of final) expect(Object.values(variables)).not.toContain(CHOSEN_TENANT);
});

test("what the page itself asks fits the public API and the limits", async () => {
  const assertFits = await limits("api");
  const texts = await Promise.all((await readdir(BROWSER)).map((name) => readFile(path.join(BROWSER, name), "utf8")));
  const queries = texts.flatMap((text) => [...text.matchAll(/[`"](query [^`"]*)[`"]/g)].map((match) => match[1] ?? ""));
  expect(queries.length).toBeGreaterThanOrEqual(7);
  for (const query of queries) {
    const text = query.replace(/\$\{LISTED\}/, "200");
    const declared = [...new Set([...text.matchAll(/\$(\w+):/g)].map((match) => match[1] ?? ""))];
    assertFits(text, Object.fromEntries(declared.map((name) => [name, "acme"])), text);
  }
});

/** `fetch` refuses to send these headers as a test wants them. */
function post(world: GatewayWorld, headers: Record<string, string>): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(`${world.url}/explorer/session`, { method: "POST", headers }, (response) => {
      let body = "";
      response.on("data", (chunk) => {
        body += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
    });
    request.on("error", reject);
    request.end();
  });
}

test("in demo mode one click on this machine signs in for an hour", async () => {
  const answer = await post(demo, { origin: demo.url });
  expect(answer.status).toBe(200);
  const { token, expiresAt } = JSON.parse(answer.body);
  expect((await demo.ask("{ whoAmI }", token)).data).toEqual({ whoAmI: "explorer" });
  expect((await demo.ask("{ tenants { nodes { name } } }", token)).status).toBe(200);
  expect(Date.parse(expiresAt)).toBe(demo.clock.now() + HOUR_MS);
});

test("a click signs in no other page, host or proxied client, and nobody outside demo mode", async () => {
  const port = new URL(demo.url).port;
  const refused: Record<string, string>[] = [
    {},
    { origin: "https://evil.example" },
    { origin: "null" },
    { origin: `http://evil.example:${port}`, host: `evil.example:${port}` },
    { origin: demo.url, "x-forwarded-for": "203.0.113.9" },
    { origin: demo.url, forwarded: "for=203.0.113.9" },
  ];
  for (const headers of refused) {
    const answer = await post(demo, headers);
    expect(answer.status, JSON.stringify(headers)).toBe(403);
    expect(answer.body).not.toContain("eyJ");
  }
  expect((await post(production, { origin: production.url })).status).toBe(405);
});

test("in demo mode the schema, and only the schema, is readable before signing in", async () => {
  expect((await demo.ask("{ __schema { queryType { name } } }")).status).toBe(200);
  expect((await demo.ask('{ __type(name: "Tenant") { name } }')).status).toBe(200);
  const peeks = [
    "{ whoAmI }",
    "{ __typename whoAmI }",
    "{ ...A } fragment A on Query { whoAmI }",
    "{ ... { whoAmI } }",
    'mutation { rename(name: "x") }',
    "query A { __typename } query B { whoAmI }",
  ];
  for (const query of peeks) {
    const answer = await demo.send("/graphql", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query, ...(query.includes("query B") && { operationName: "B" }) }),
    });
    expect(answer.status, query).toBe(401);
    expect(answer.data).toBeUndefined();
  }
  expect((await demo.ask("{ __schema { queryType { name } } }", "nonsense")).status).toBe(401);
});
