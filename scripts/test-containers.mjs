// `npm run test:containers`: the compose file on a real engine (tests/containers). It builds the image, starts a project of its
// own on a free port and deletes it again. Without an engine it is skipped, and says so; with CI=true it
// fails.
import { spawnSync } from "node:child_process";
import { ROOT } from "./install.mjs";

const answers = (...args) => spawnSync("docker", args, { stdio: "ignore" }).status === 0;

const missing = !answers("info")
  ? "no container engine answers (`docker info`)"
  : !answers("compose", "version")
    ? "`docker compose` is not installed"
    : undefined;
if (missing !== undefined) {
  console.error(`\n*** SKIPPED: ${missing}. Nothing of docker-compose.yml was run. ***\n`);
  process.exitCode = process.env.CI === "true" ? 1 : 0;
} else {
  const args = ["node_modules/vitest/vitest.mjs", "run", "--project", "containers", ...process.argv.slice(2)];
  const env = { ...process.env, METRLY_TEST_CONTAINERS: "on" };
  process.exitCode = spawnSync(process.execPath, args, { cwd: ROOT, env, stdio: "inherit" }).status ?? 1;
}
