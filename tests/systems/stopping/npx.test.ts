import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, test } from "vitest";
import { packageRoot } from "#platform/process/package-root.js";
import { waitFor } from "../../servers/servers.js";
import { build } from "../../support/build.js";

// `npx metrly … &` and `kill $!`: between npx and the command there is a shell, to which alone npx hands the signal.

/** npx keeps a link to the checkout there. */
let cache: string;

beforeAll(async () => {
  await build();
  cache = await mkdtemp(path.join(tmpdir(), "metrly-test-npx-"));
});
afterAll(() => rm(cache, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }));

test("SIGTERM to npx alone ends the command, too", async () => {
  const { PATH, HOME } = process.env;
  // It goes on although nothing answers.
  const command = ["--no-install", "metrly", "watch", "--json", "--url", "http://127.0.0.1:1", "--token", "none"];
  const npx = spawn("npx", command, {
    ...{ cwd: packageRoot(), detached: true, stdio: ["ignore", "pipe", "pipe"] },
    env: { PATH, HOME, npm_config_cache: cache },
  });
  let printed = "";
  for (const stream of [npx.stdout, npx.stderr]) stream?.on("data", (chunk: Buffer) => (printed += chunk));
  try {
    await waitFor(() => printed.includes('"failure":"'), { what: "the command to run" });
    // Whoever still runs keeps the pipes open.
    const ended = once(npx, "close");
    npx.kill("SIGTERM");
    await ended;
  } finally {
    // Of the whole group: what is left of it.
    try {
      process.kill(-(npx.pid as number), "SIGKILL");
    } catch {}
  }
});
