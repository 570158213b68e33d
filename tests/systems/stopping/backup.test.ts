import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { packageRoot } from "#platform/process/package-root.js";
import { freePort, waitFor } from "../../servers/servers.js";
import { readersEnvironment } from "../docs/follow-page.js";
import { cloneCheckout } from "../docs/fresh-clone.js";
import { blocksOf } from "../docs/page.js";
import { openShell } from "../docs/shell.js";
import { CTRL_C, hasTerminal, openTerminal, type Terminal } from "../docs/terminal.js";

// What docs/operations.md says about backup and restore of an embedded Metrly, command by command: stop, copy, restore elsewhere, examine.

/** A month of usage and its invoices. */
const DEMO_DEADLINE_MS = 400_000;
const TENANTS = ["acme", "globex", "initech"];

let folder: string;
const running = new Set<Terminal>();

/** The page's commands before and after `# restore`, without what starts Metrly. */
let commands: { readonly backUp: string; readonly restore: string };
/** "After a restore, `…` and `…` say whether all is whole." */
let checks: readonly string[];

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "metrly-backup-"));
  const block = (await blocksOf("docs/operations.md")).find(({ code }) => code.includes("tar -czf"));
  const [backUp = "", restore = ""] = (block?.code ?? "").split(/^# restore.*$/m);
  expect(restore).toMatch(/^npm start$/m);
  commands = { backUp, restore: restore.replace(/^npm start$/m, "") };
  const text = await readFile(path.join(packageRoot(), "docs/operations.md"), "utf8");
  checks = /^After a restore, `(npx [^`]+)` and `(npx [^`]+)`/m.exec(text)?.slice(1) ?? [];
  expect(checks).toHaveLength(2);
});

afterAll(async () => {
  for (const terminal of running) await stop(terminal);
  if (folder !== undefined) await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
});

async function start(clone: string): Promise<Terminal> {
  const settings = { METRLY_PORT: `${await freePort()}`, METRLY_METRICS_PORT: "0" };
  const terminal = openTerminal("npm start", clone, { ...readersEnvironment(), ...settings });
  running.add(terminal);
  await waitFor(() => terminal.screen().includes("Ctrl-C stops everything"), {
    what: "npm start",
    deadlineMs: DEMO_DEADLINE_MS,
  }).catch((error: Error) => expect.fail(`${error.message}\n${terminal.screen()}`));
  return terminal;
}

async function stop(terminal: Terminal): Promise<void> {
  running.delete(terminal);
  terminal.type(CTRL_C);
  expect(await terminal.ended, terminal.screen()).toBe(0);
}

async function typed(clone: string, ...lines: string[]): Promise<string> {
  const shell = openShell(clone, readersEnvironment());
  try {
    return await shell.run(lines.join("\n"));
  } finally {
    shell.close();
  }
}

const exported = (name: string): string =>
  TENANTS.map((tenant) => `npx metrly invoices export inv_${tenant}_000001 --out ../${name}-${tenant}.json`).join("\n");

describe.skipIf(!hasTerminal)("backup and restore of an embedded Metrly", () => {
  test("a restored Metrly is whole, and its invoices are the same, byte for byte", async () => {
    const [old, restored] = [path.join(folder, "metrly"), path.join(folder, "restored")];
    await cloneCheckout(old);
    const before = await start(old);
    await typed(old, exported("before"));
    await stop(before);
    await typed(old, commands.backUp);

    await cloneCheckout(restored);
    await typed(old, "mv metrly-backup.tgz ../restored/", "rm -rf .metrly");
    await typed(restored, commands.restore);
    const after = await start(restored);
    // Each ends with an error if something is wrong.
    const said = [];
    for (const check of checks) said.push(await typed(restored, check));
    expect(said.at(-1)).toContain("the same, byte for byte");
    await typed(restored, exported("after"));
    for (const tenant of TENANTS) await typed(restored, `cmp ../before-${tenant}.json ../after-${tenant}.json`);
    await stop(after);
  });
});
