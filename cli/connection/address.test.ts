import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { portOf } from "#platform/http/server.js";
import { addressFile, adminTokenFile, assertHttpUrl, dataDirAbove, isMetrlyOf } from "./address.js";
import { findConnection } from "./connection.js";
import { CHALLENGE_HEADER, PROOF_HEADER, proofOf } from "./proof.js";

const TOKEN = "eyJ.of.this-directory";

let dataDir: string;
let server: Server;
let port: number;
let answer: RequestListener;

/** Proves, as a Metrly would, that it knows this token and listens on this port. */
const proves =
  (token: string, listensOn: number): RequestListener =>
  (request, response) => {
    const proof = proofOf(token, String(request.headers[CHALLENGE_HEADER]), listensOn);
    response.setHeader(PROOF_HEADER, proof).end("ok");
  };

beforeEach(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), "metrly-address-"));
  server = createServer((request, response) => answer(request, response));
  await once(server.listen(0, "127.0.0.1"), "listening");
  port = portOf(server);
  answer = proves(TOKEN, port);
  await writeFile(adminTokenFile(dataDir), `${TOKEN}\n`);
});
afterEach(async () => {
  server.close();
  await rm(dataDir, { recursive: true, force: true });
});

const urlOf = () => `http://127.0.0.1:${port}`;
const wasHere = () => writeFile(addressFile(dataDir), `${urlOf()}\n`);
const find = (env: Readonly<Record<string, string>> = {}, options = {}) =>
  findConnection(options, { METRLY_DATA_DIR: dataDir, ...env });

test("the Metrly of the data directory is found by its own address, and by METRLY_PORT, and gets its token", async () => {
  const found = { url: urlOf(), token: TOKEN, tokenOf: dataDir };
  expect(await find({ METRLY_PORT: `${port}` })).toEqual(found);
  await wasHere();
  expect(await find()).toEqual(found);
});

const STRANGERS: readonly (readonly [string, () => RequestListener])[] = [
  ["any other program", () => (_request, response) => response.end("ok")],
  ["a Metrly of another data directory", () => proves("another token", port)],
  ["one that passes on the answer of the Metrly on another port", () => proves(TOKEN, port + 1)],
  [
    "one that repeats an answer",
    () => (_request, response) => response.setHeader(PROOF_HEADER, proofOf(TOKEN, "old", port)).end(),
  ],
  ["one that redirects", () => (_request, response) => response.writeHead(302, { location: "/other" }).end()],
  ["one that does not speak HTTP", () => (request) => request.socket.destroy()],
];

test.each(STRANGERS)("%s gets no token", async (_name, listener) => {
  answer = listener();
  const refused = `another program answers at ${urlOf()}`;
  await expect(find({ METRLY_PORT: `${port}` })).rejects.toThrow(refused);
  await wasHere();
  await expect(find()).rejects.toThrow(`${refused}, where it listened last`);
});

test("where the caller names an address, or a token for a port, it is theirs to know who listens there", async () => {
  answer = (_request, response) => response.end("ok");
  expect(await find({ METRLY_URL: urlOf() })).toEqual({ url: urlOf(), token: TOKEN, tokenOf: dataDir });
  expect(await find({ METRLY_PORT: `${port}`, METRLY_TOKEN: "theirs" })).toEqual({ url: urlOf(), token: "theirs" });
  expect(await find({ METRLY_PORT: `${port}` }, { token: "theirs" })).toEqual({ url: urlOf(), token: "theirs" });
});

test("where nobody listens, or there is no token to protect, the request itself says so", async () => {
  await wasHere();
  server.close();
  expect(await isMetrlyOf(dataDir, urlOf())).toBeUndefined();
  expect(await find()).toEqual({ url: urlOf(), token: TOKEN, tokenOf: dataDir });
  await rm(adminTokenFile(dataDir));
  await expect(find()).rejects.toThrow(/^There is no readable .* METRLY_DATA_DIR /);
});

test("below Metrly's folder, the nearest one above is found", async () => {
  const name = path.basename(dataDir);
  expect(await dataDirAbove(path.join(path.dirname(dataDir), "docs", "recipes", name))).toBe(dataDir);
  expect(await dataDirAbove(dataDir)).toBeUndefined();
});

test.each(["localhost:4000", "127.0.0.1:4000", "ftp://127.0.0.1", "http://", ""])("'%s' is no address", (url) => {
  expect(() => assertHttpUrl(url)).toThrow("start it with http:// or https://");
});
