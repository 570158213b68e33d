import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { waitFor } from "../../../tests/servers/servers.js";
import { unlessStopped } from "../../../tests/support/unless-stopped.js";
import { createNameResolver } from "./resolver.js";

const HEADER_BYTES = 12;
const TYPE_A = 1;

/** Answers names below `good.test` with 93.184.216.34 and nothing else; is silent about names below `deaf.test`. */
async function startNameServer() {
  const socket = createSocket("udp4");
  const asked = new Set<string>();
  socket.on("message", (query, { port, address }) => {
    const { name, type, end } = questionOf(query);
    asked.add(name);
    if (name.endsWith("deaf.test")) return;
    const isKnown = name.endsWith("good.test");
    const answers = isKnown && type === TYPE_A ? 1 : 0;
    const header = Buffer.from(query.subarray(0, HEADER_BYTES));
    header.writeUInt16BE(isKnown ? 0x8180 : 0x8183, 2);
    header.writeUInt16BE(answers, 6);
    header.writeUInt32BE(0, 8);
    const answer = Buffer.from([0xc0, HEADER_BYTES, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 93, 184, 216, 34]);
    socket.send([header, query.subarray(HEADER_BYTES, end), ...(answers > 0 ? [answer] : [])], port, address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return { socket, asked, address: `127.0.0.1:${socket.address().port}` };
}

function questionOf(query: Buffer) {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join(".").toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

describe("names of receivers", () => {
  const again = unlessStopped();
  let server: { readonly socket: Socket; readonly asked: Set<string>; readonly address: string };
  let folder: string;
  beforeEach(async () => {
    server = await startNameServer();
    folder = await mkdtemp(path.join(tmpdir(), "metrly-names-"));
    await writeFile(path.join(folder, "hosts"), "10.0.0.7 receiver box.lan # a note\n::7 receiver\n");
  });
  afterEach(async () => {
    server.socket.close();
    await rm(folder, { recursive: true });
  });
  const open = (perTenant?: number) =>
    createNameResolver({
      servers: [server.address],
      hostsFile: path.join(folder, "hosts"),
      ...(perTenant !== undefined && { perTenant }),
    });

  test("come from the hosts file, then from the name servers", async () => {
    const resolve = open()("acme");
    expect(await resolve("Receiver")).toEqual([
      { address: "10.0.0.7", family: 4 },
      { address: "::7", family: 6 },
    ]);
    expect(await resolve("box.lan")).toEqual([{ address: "10.0.0.7", family: 4 }]);
    expect((await resolve("localhost"))[0]).toEqual({ address: "127.0.0.1", family: 4 });
    expect(server.asked.size).toBe(0);
    expect(await resolve("hooks.good.test")).toEqual([{ address: "93.184.216.34", family: 4 }]);
    await expect(resolve("nothing.example")).rejects.toMatchObject({ code: "ENOTFOUND" });
  });

  test(
    "of one tenant on a deaf name server take its share and end, and another tenant's resolve meanwhile",
    again,
    async () => {
      const resolverOf = open(3);
      let ended = 0;
      const deaf = Array.from({ length: 6 }, (_, i) =>
        resolverOf("acme")(`n${i}.deaf.test`).then(
          () => ended++,
          () => ended++,
        ),
      );
      await waitFor(() => server.asked.size === 3, { what: "the tenant's share to be asked" });
      expect(await resolverOf("globex")("hooks.good.test")).toHaveLength(1);
      expect([server.asked.size, ended]).toEqual([4, 0]);
      await Promise.all(deaf);
      expect(server.asked.size).toBe(7);
    },
  );

  test("are refused when too many of a tenant wait", async () => {
    const resolve = open(0)("acme");
    const waiting = Array.from({ length: 500 }, () => resolve("hooks.good.test"));
    await expect(resolve("hooks.good.test")).rejects.toThrow("too many names");
    for (const one of waiting) one.catch(() => undefined);
  });
});
