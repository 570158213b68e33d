import { fork } from "node:child_process";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { DAY_MS } from "#kernel/duration.js";
import { waitFor } from "../servers/servers.js";

const CLOCK = "shifted-clock.cjs";

test("a clock that is set wrong says so once it is, and once it is right again", async () => {
  const dir = await mkdtemp(path.join(tmpdir(), "clock-"));
  await copyFile(path.join(import.meta.dirname, CLOCK), path.join(dir, CLOCK));
  await writeFile(path.join(dir, "role.cjs"), 'process.on("message", () => process.send(Date.now()));');
  const role = fork(path.join(dir, "role.cjs"), ["billing"], { execArgv: ["--require", path.join(dir, CLOCK)] });
  const daysOff = async (): Promise<number> => {
    const told = new Promise<unknown>((resolve) => role.once("message", resolve));
    role.send("what time is it?");
    // Not -0.
    return Math.round((Number(await told) - Date.now()) / DAY_MS) || 0;
  };
  try {
    expect(await daysOff()).toBe(0);
    for (const days of [40, -40, 0]) {
      await writeFile(path.join(dir, "billing"), String(days * DAY_MS));
      const isSet = async () => (await readFile(path.join(dir, "billing.set"), "utf8")) === String(days * DAY_MS);
      await waitFor(isSet, { what: `a clock that is off by ${days} days` });
      expect(await daysOff()).toBe(days);
    }
  } finally {
    role.kill();
    await rm(dir, { recursive: true, force: true });
  }
});
