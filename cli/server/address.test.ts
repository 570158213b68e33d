import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { publishAddress } from "./address.js";

test("addresses go with the process, also where it stops while they are written", async () => {
  const dir = await mkdtemp(path.join(tmpdir(), "metrly-address-"));
  let stop = async () => {};
  const system = {
    ...{ url: "http://127.0.0.1:1", metricsUrl: "http://127.0.0.1:2" },
    beforeStop: (_: string, close: () => Promise<void>) => {
      stop = close;
    },
  };
  try {
    const published = publishAddress(dir, system);
    await stop();
    await published;
    expect(await readdir(dir)).toEqual([]);
    await publishAddress(dir, system);
    expect(await readdir(dir)).toHaveLength(2);
    await stop();
    expect(await readdir(dir)).toEqual([]);
  } finally {
    await rm(dir, { recursive: true });
  }
});
