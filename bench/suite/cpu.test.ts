import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { waitFor } from "../../tests/servers/servers.js";
import { cpuMsOf } from "./cpu.js";

test.skipIf(process.platform !== "linux")(
  "CPU counts processes, their children, and children that have ended",
  async () => {
    // A shell that waits for a child, which uses 0.3 s of CPU, and then for its own input.
    const busy = `const until = 3e5; while (process.cpuUsage().user + process.cpuUsage().system < until);`;
    const node = JSON.stringify(process.execPath);
    const shell = spawn("sh", ["-c", `${node} -e '${busy}'; echo ended; read line`], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    try {
      await waitFor(async () => (await cpuMsOf([shell.pid ?? 0])) >= 200, { what: "the child's CPU time to count" });
      await once(shell.stdout, "data");
      // Each of the system's figures is rounded down to a tick of 10 ms.
      expect(await cpuMsOf([shell.pid ?? 0])).toBeGreaterThanOrEqual(250);
      expect(await cpuMsOf([])).toBe(0);
    } finally {
      shell.kill("SIGKILL");
    }
  },
);
