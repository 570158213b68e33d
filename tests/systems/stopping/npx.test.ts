import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { packageRoot } from "#platform/process/package-root.js";
import { waitFor } from "../../servers/servers.js";
import { build } from "../../support/build.js";

// `npx metrly … &` and `kill $!`: between npx and the command there is a shell, to which alone npx hands the signal.

const run = promisify(execFile);

/** npx keeps a link to the checkout there. */
let cache: string;

beforeAll(async () => {
  await build();
  cache = await mkdtemp(path.join(tmpdir(), "metrly-test-npx-"));
});
afterAll(() => rm(cache, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }));

/** It goes on although nothing answers. */
const WATCH = ["watch", "--json", "--url", "http://127.0.0.1:1", "--token", "none"];

const ENDED = { what: "the command to end" };

test("SIGTERM to npx alone ends the command, too", async () => {
  const npx = start("npx", ["--no-install", "metrly", ...WATCH]);
  await waitFor(() => npx.printed().includes('"failure":"'), { what: "the command to run" });
  npx.process.kill("SIGTERM");
  await waitFor(npx.isOver, ENDED);
});

test("SIGTERM to npx alone ends a command that still loads", async () => {
  const npx = start("npx", ["--no-install", "metrly", ...WATCH]);
  await waitFor(() => run("pgrep", ["-g", `${npx.process.pid}`, "-f", "bin/metrly"]), {
    what: "it to start",
    pauseMs: 20,
  });
  npx.process.kill("SIGTERM");
  await waitFor(npx.isOver, ENDED);
});

test.runIf(process.platform === "linux")("a command whose shell has ended before it starts ends", async () => {
  const env = { npm_lifecycle_event: "npx", npm_lifecycle_script: "'metrly'" };
  const shell = start("sh", ["-c", '"$@" &', "sh", process.execPath, "dist/cli/metrly.js", ...WATCH], env);
  await waitFor(shell.isOver, ENDED);
});

test("what a script of npx leaves in the background outlives its shell", async () => {
  const bin = path.join(cache, "bin");
  await mkdir(bin);
  await symlink(path.join(packageRoot(), "dist/cli/metrly.js"), path.join(bin, "metrly"));
  const npx = start("npx", ["-c", `metrly ${WATCH.join(" ")} --every 1 & cat`], { PATH: `${bin}:${process.env.PATH}` });
  const records = () => npx.printed().split('"failure":"').length - 1;
  await waitFor(() => npx.isOver() || records() > 0, { what: "the command to run" });
  npx.process.stdin?.end();
  await waitFor(() => npx.process.exitCode !== null, { what: "npx to end" });
  const before = records();
  await waitFor(() => npx.isOver() || records() > before + 1, { what: "more records" });
  expect(npx.isOver()).toBe(false);
});

test("SIGTERM to all of them lets a command do what it has to at its end", async () => {
  let deleted: "asked" | "awaited" | "left" | undefined;
  const server = createServer(async (request, response) => {
    const isDelete = (await text(request)).includes("deleteWebhookEndpoint");
    const data = isDelete
      ? { deleteWebhookEndpoint: true }
      : { createWebhookEndpoint: { endpoint: { id: "whe_1" }, secret: `whsec_${"A".repeat(32)}` } };
    if (isDelete) {
      deleted = "asked";
      // Longer than the command takes to see that its shell has ended.
      const timer = setTimeout(() => {
        deleted = "awaited";
        response.end(JSON.stringify({ data }));
      }, 1_500);
      response.once("close", () => {
        clearTimeout(timer);
        if (deleted === "asked") deleted = "left";
      });
    } else response.end(JSON.stringify({ data }));
  }).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const listen = ["webhooks", "listen", "--tenant", "acme", "--url", url, "--token", "none"];
  const npx = start("npx", ["--no-install", "metrly", ...listen]);
  await waitFor(() => npx.printed().includes("Listening on"), { what: "the command to listen" });
  process.kill(-(npx.process.pid as number), "SIGTERM");
  await waitFor(npx.isOver, ENDED);
  expect(deleted).toBe("awaited");
});

interface Started {
  readonly process: ChildProcess;
  printed(): string;
  /** Whether nothing of it runs any more: whoever still runs keeps the pipes open. */
  isOver(): boolean;
}

/** A process group of its own, which ends with the test. */
function start(program: string, args: readonly string[], variables: NodeJS.ProcessEnv = {}): Started {
  const { PATH, HOME } = process.env;
  const child = spawn(program, args, {
    ...{ cwd: packageRoot(), detached: true, stdio: "pipe" },
    env: { PATH, HOME, npm_config_cache: cache, ...variables },
  });
  let printed = "";
  let isOver = false;
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => (printed += chunk));
  child.once("close", () => {
    isOver = true;
  });
  onTestFinished(() => {
    try {
      process.kill(-(child.pid as number), "SIGKILL");
    } catch {}
  });
  return { process: child, printed: () => printed, isOver: () => isOver };
}
