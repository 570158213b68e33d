import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { isRunning } from "#platform/embedded-postgres/cluster.js";
import { packageRoot } from "#platform/process/package-root.js";
import { sessionsOf, structureOf } from "../../scripts/terminal-picture.js";
import { freePort, hasNginx, waitFor } from "../servers/servers.js";
import { runCliHere } from "../support/cli-in-process.js";
import { ask } from "../support/client.js";
import { graphql } from "../support/graphql/index.js";
import { hasProgram, hasPython } from "../support/programs.js";
import { packSdk, type SdkPackage } from "../support/sdk-package.js";
import { command, followPage, NOT_RUN, npxOf, patiently, readersEnvironment } from "./docs/follow-page.js";
import { cloneCheckout } from "./docs/fresh-clone.js";
import { blocksOf, PAGES } from "./docs/page.js";
import { openShell } from "./docs/shell.js";
import { CTRL_C, cliAtTerminal, hasTerminal, openTerminal, type Terminal } from "./docs/terminal.js";

// A newcomer clones Metrly, starts it at a terminal, and follows the texts: README, tutorial, recipes, the SDK's README. One server for all.

const MISSING: Readonly<Record<string, boolean>> = {
  "docs/recipes/python.md": !hasPython("requests"),
  "docs/recipes/nginx.md": !hasNginx,
};

/** A month of usage, an invoice and deliveries with their retries. */
const DEMO_DEADLINE_MS = 400_000;

const DEMO = graphql(`
  query DemoShows {
    acme: tenant(id: "acme") { ...Shown }
    globex: tenant(id: "globex") { ...Shown }
    initech: tenant(id: "initech") { ...Shown }
  }
  fragment Shown on Tenant {
    quotas { limit { kind limit } used reserved state }
    alerts(first: 5) { nodes { id } }
    webhookEndpoints { deliveries(first: 20) { nodes { status attempts { at } } } }
  }
`);

/** Home of the clone and of what the recipes create beside it. */
let folder: string;
let clone: string;
let port: number;
let terminal: Terminal;
let sdk: SdkPackage;

describe.skipIf(!hasTerminal)("a newcomer with a fresh clone, at a terminal", () => {
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "metrly-newcomer-"));
    clone = path.join(folder, "metrly");
    await cloneCheckout(clone);
    port = await freePort();
    terminal = openTerminal("npm start", clone, {
      ...readersEnvironment(),
      METRLY_PORT: `${port}`,
      METRLY_METRICS_PORT: "0",
      METRLY_DEMOO: "off",
    });
    sdk = await packSdk();
    await linkPackages();
    await waitFor(() => terminal.screen().includes("Ctrl-C stops everything"), {
      what: "the first screen",
      deadlineMs: DEMO_DEADLINE_MS,
    }).catch((error: Error) => expect.fail(`${error.message}\n${terminal.screen()}`));
  });

  afterEach(({ task }) => {
    if (task.result?.state === "fail") console.error(`The terminal shows:\n${terminal.screen().slice(-3_000)}`);
  });
  afterAll(async () => {
    terminal?.type(CTRL_C);
    await terminal?.ended;
    if (folder !== undefined) await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  });

  test("the first screen is for people: no JSON stands before it, the file has it", async () => {
    const [before = ""] = terminal.screen().split("Metrly is running");
    expect(before).not.toContain('{"level"');
    // The demo's endpoints, of which there is a warning. Others may be shown, on a slow machine.
    expect(before).not.toContain("whe_");
    expect(before).toContain("warning METRLY_DEMOO is no setting and has no effect: did you mean METRLY_DEMO?");
    const [, file = ""] = /Log +(\S+)$/m.exec(terminal.screen()) ?? [];
    const log = await readFile(path.join(clone, file), "utf8");
    expect(log).toContain('"msg":"a webhook endpoint was disabled"');
  });

  test("a second npm start says where the first one is, and a taken port which setting changes it", async () => {
    const started = async (own: Record<string, string>) => {
      const second = openTerminal("npm start", clone, { ...readersEnvironment(), ...own });
      // npm itself prints nothing more.
      expect(await second.ended, second.screen()).not.toBe(0);
      expect(second.screen()).not.toMatch(/Only now, and after an update|Installing|Building/);
      return second.screen();
    };
    // On any port.
    expect(await started({ METRLY_PORT: `${await freePort()}` })).toContain(
      `Metrly runs here already: http://127.0.0.1:${port}\n`,
    );
    const other = { METRLY_DATA_DIR: path.join(folder, "other"), METRLY_PORT: `${port}`, METRLY_METRICS_PORT: "0" };
    expect(await started(other)).toMatch(
      new RegExp(`Port ${port} on 127\\.0\\.0\\.1 is in use .* set METRLY_PORT, for example:\\s+METRLY_PORT=\\d+`),
    );
    expect(existsSync(other.METRLY_DATA_DIR)).toBe(false);
  });

  test("the first screen's commands work as they are printed", async () => {
    const screen = terminal.screen();
    const commands = screen.slice(screen.indexOf("Post an event")).replaceAll(/^ {4}/gm, "");
    const shell = openShell(clone, readersEnvironment());
    try {
      const curls = commands.match(/^curl (?:.*\\\n)*.*$/gm) ?? [];
      expect(curls).toHaveLength(2);
      expect(await shell.run(curls[0] ?? "")).toContain('"accepted":1');
      expect(await shell.run(curls[1] ?? "")).toContain('"allowed":true');
      // The real npx, which must not ask a registry.
      expect(commands).toContain("npx metrly alerts watch");
      expect(await shell.run("npx --no-install metrly --version")).toMatch(/^\d+\.\d+\.\d+\n$/);
      expect(await shell.run("npx metrly tenants show nobody 2>&1 || true")).toContain(
        "List them: npx metrly tenants list",
      );
      expect(await shell.run("npx metrly alerts watch --help")).toContain("Usage: metrly alerts watch");
    } finally {
      shell.close();
    }
  });

  test("README's picture shows what the commands print", async () => {
    const sessions = sessionsOf(await readFile(path.join(clone, "docs/terminal.svg"), "utf8"));
    expect(sessions.length).toBeGreaterThan(2);
    for (const { command, lines } of sessions) {
      const printed = await cliAtTerminal(command.replace("npx metrly ", ""), clone, readersEnvironment(), 84);
      expect(structureOf(printed.split("\n")), `${command}: npm run picture`).toEqual(structureOf(lines));
    }
  });

  test("nothing scrolls the first screen away", async () => {
    expect(terminal.screen().split("Ctrl-C stops everything").at(-1)?.split("\n").length).toBeLessThan(5);
  });

  test("the demo is a good customer: room, denials, a warning, alerts, a retried and a dead delivery", async () => {
    const admin = (await readFile(path.join(clone, ".metrly/admin-token"), "utf8")).trim();
    const demo = async () => {
      const { acme, globex, initech } = await ask(`http://127.0.0.1:${port}`, admin, DEMO);
      return { acme, globex, initech, tenants: [acme, globex, initech] };
    };
    const isWhole = async () => {
      const { globex, initech, acme, tenants } = await demo();
      const deliveries = tenants.flatMap(({ webhookEndpoints }) =>
        webhookEndpoints.flatMap((one) => one.deliveries.nodes),
      );
      const attempts = deliveries.filter(({ status }) => status === "DELIVERED").map((one) => one.attempts.length);
      const isNear = globex.quotas.some(({ state }) => state !== "OK");
      const isDead = acme.webhookEndpoints.some((one) => one.deliveries.nodes.some(({ status }) => status === "DEAD"));
      const isOver = initech.quotas.some(({ limit, state }) => limit.kind === "SOFT" && state === "EXCEEDED");
      return isNear && isDead && isOver && initech.alerts.nodes.length > 0 && Math.max(0, ...attempts) > 1;
    };
    await waitFor(isWhole, { what: "everything that the demo shows", deadlineMs: DEMO_DEADLINE_MS });
    for (const { quotas } of (await demo()).tenants)
      for (const { limit, used, reserved } of quotas)
        if (limit.kind === "HARD") expect(Number(used) + Number(reserved)).toBeLessThanOrEqual(Number(limit.limit));
  });

  describe("every command of the documentation does what the page says", () => {
    for (const page of PAGES)
      test.skipIf(MISSING[page]).concurrent(page, ({ signal }) => followPage(page, { clone, port }, signal));

    // Counted and announced as skipped: the page itself runs without them.
    test.skipIf(!hasProgram("python3"))("there is Python for the receiver in Python", () => undefined);
    test.skipIf(!hasProgram("go"))("there is Go for the receiver in Go", () => undefined);

    test("excluded commands still exist, with a reason", async () => {
      const blocks = (await Promise.all(PAGES.map(blocksOf))).flat().filter(({ language }) => language === "sh");
      const lines = new Set(blocks.flatMap(({ code }) => code.split("\n").map(command)));
      expect(Object.keys(NOT_RUN).filter((skipped) => !lines.has(skipped))).toEqual([]);
    });
  });

  test("the commands leave no files among those of the checkout", async () => {
    const files = await untrackedIn(clone);
    expect(files).toContain("README.md");
    expect(files.filter((file) => !existsSync(path.join(packageRoot(), file)))).toEqual([]);
  });

  test("the example of every command works on the demo, or names an id to fill in", async () => {
    const metrly = { url: `http://127.0.0.1:${port}`, dataDir: path.join(clone, ".metrly") };
    for (const args of [
      ["tenants", "show"],
      ["usage"],
      ["quotas", "show"],
      ["invoices", "show"],
      ["webhooks", "list"],
    ]) {
      const { err } = await runCliHere(metrly, args);
      const [, example = ""] = /^Example: node dist\/cli\/metrly\.js (.*)$/m.exec(err) ?? [];
      expect(example, args.join(" ")).not.toBe("");
      expect(await runCliHere(metrly, example.split(" ")), example).toMatchObject({ code: 0 });
    }
  });

  test.each(["module", "commonjs"] as const)(
    "the first program of the SDK's README runs from its tarball, as %s",
    async (type) => {
      const first = (await blocksOf("sdk/README.md")).find(({ language }) => language === "ts")?.code ?? "";
      const local = patiently(first).replace("http://127.0.0.1:4000", `http://127.0.0.1:${port}`);
      const required = local.replace(/^import (.*) from (.*);$/gm, "const $1 = require($2);");
      const { run } = await sdk.project(type);
      const { acme } = JSON.parse(await readFile(path.join(clone, ".metrly/demo-keys.json"), "utf8"));
      const key = `process.env.METRLY_KEY = ${JSON.stringify(acme)};`;
      const said = await run(type === "module" ? `${key}\n${local}` : `${key}\n(async () => {\n${required}\n})();`);
      expect(said).toMatch(/^(allowed WITHIN_LIMITS|denied LIMIT_EXCEEDED)\n$/);
    },
  );

  test("Ctrl-C ends it without an error, and the database with it", async () => {
    await typed(exportedTo("before"));
    const pid = Number(
      (await readFile(path.join(clone, ".metrly/postgres/data/postmaster.pid"), "utf8")).split("\n")[0],
    );
    terminal.type(CTRL_C);
    expect(await terminal.ended, terminal.screen()).toBe(0);
    expect(terminal.screen()).not.toMatch(/npm error|without draining/i);
    await waitFor(() => !isRunning(pid), { what: "the database to end" });
  });

  // What docs/operations.md says about backup and restore, command by command, of the same Metrly: before and after are one clone.
  test("restored from its backup it is whole, and its invoices are the same, byte for byte", async () => {
    const block = (await blocksOf("docs/operations.md")).find(({ code }) => code.includes("tar -czf"));
    const [backUp = "", restore = ""] = (block?.code ?? "").split(/^# restore.*$/m);
    expect(restore).toMatch(/^npm start$/m);
    const text = await readFile(path.join(packageRoot(), "docs/operations.md"), "utf8");
    const checks = /^After a restore, `(npx [^`]+)` and `(npx [^`]+)`/m.exec(text)?.slice(1) ?? [];
    expect(checks).toHaveLength(2);
    await typed(backUp, "rm -rf .metrly", restore.replace(/^npm start$/m, ""));
    const settings = { METRLY_PORT: `${port}`, METRLY_METRICS_PORT: "0", METRLY_DEMO: "off" };
    terminal = openTerminal("npm start", clone, { ...readersEnvironment(), ...settings });
    const isReady = () => terminal.screen().includes("Metrly is ready");
    await waitFor(isReady, { what: "the restored Metrly", deadlineMs: DEMO_DEADLINE_MS });
    // Each ends with an error if something is wrong.
    expect(await typed(...checks)).toContain("the same, byte for byte");
    await typed(exportedTo("after"), "cmp ../before.json ../after.json");
  });
});

/** What git would add in this folder. */
async function untrackedIn(folder: string): Promise<string[]> {
  const git = async (...args: string[]) => (await promisify(execFile)("git", args, { cwd: folder })).stdout;
  await git("init", "--quiet");
  return (await git("ls-files", "-z", "--others", "--exclude-standard")).split("\0").filter((file) => file !== "");
}

/** What a shell in the clone prints for these lines. */
async function typed(...lines: readonly string[]): Promise<string> {
  const shell = openShell(clone, readersEnvironment());
  try {
    return await shell.run([npxOf("docs/operations.md"), ...lines].join("\n"));
  } finally {
    shell.close();
  }
}

const exportedTo = (name: string): string =>
  ["acme", "globex", "initech"]
    .map((tenant) => `npx metrly invoices export inv_${tenant}_000001 >> ../${name}.json`)
    .join("\n");

/** What `npm install` would put beside a recipe's program. */
async function linkPackages(): Promise<void> {
  const project = await sdk.project("module");
  const modules = path.join(folder, "node_modules");
  await mkdir(modules);
  for (const name of ["express", "fastify"])
    await symlink(path.join(packageRoot(), "node_modules", name), path.join(modules, name));
  await symlink(path.join(project.folder, "node_modules/@metrly"), path.join(modules, "@metrly"));
}
