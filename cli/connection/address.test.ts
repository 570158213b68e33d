import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { portOf } from "#platform/http/server.js";
import { addressFile, INSTANCE_HEADER, instanceFile, isInstance, localUrl } from "./address.js";

let dataDir: string;
let server: Server;
let url: string;
let answers: string | undefined;

beforeEach(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), "metrly-address-"));
  server = createServer((_request, response) => {
    if (answers !== undefined) response.setHeader(INSTANCE_HEADER, answers);
    response.end("ok");
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  url = `http://127.0.0.1:${portOf(server)}`;
  await writeFile(addressFile(dataDir), `${url}\n`);
  await writeFile(instanceFile(dataDir), "this run\n");
});
afterEach(async () => {
  server.close();
  await rm(dataDir, { recursive: true, force: true });
});

const find = (env: Readonly<Record<string, string>> = {}) => localUrl({ dataDir, port: 4000 }, env);

test("the Metrly of the data directory is found by its own address", async () => {
  answers = "this run";
  expect(await find()).toBe(url);
  expect(await find({ METRLY_PORT: "4000" })).toBe("http://127.0.0.1:4000");
});

test.each([undefined, "another run"])(
  "another program on the port of a killed one gets no token (%s)",
  async (name) => {
    answers = name;
    expect(await isInstance(dataDir, url)).toBe(false);
    await expect(find()).rejects.toThrow(`another program answers at ${url}`);
  },
);

test("where nobody answers, the request itself says so", async () => {
  server.close();
  expect(await isInstance(dataDir, url)).toBeUndefined();
  expect(await find()).toBe(url);
});
