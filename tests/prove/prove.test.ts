import { execFile } from "node:child_process";
import { describe, expect, test } from "vitest";
import { packageRoot } from "#platform/process/package-root.js";
import { hasPostgres } from "../servers/servers.js";

interface Proved {
  readonly code: number | string | null | undefined;
  readonly out: string;
}

const HANGS_AFTER_MS = 480_000;

/** `npm run prove` with a tiny sample. */
const prove = (...args: string[]): Promise<Proved> =>
  new Promise((resolve) => {
    const all = ["--import", "tsx", "tests/prove/main.ts", "--minutes", "0.02", "--steps", "400", ...args];
    const options = { cwd: packageRoot(), maxBuffer: 16 * 1024 * 1024, timeout: HANGS_AFTER_MS };
    execFile(process.execPath, all, options, (error, out) => resolve({ code: error === null ? 0 : error.code, out }));
  });

describe.skipIf(!hasPostgres)("npm run prove", () => {
  test("ends with a table, and with 0 if everything held", async () => {
    const { code, out } = await prove("--only", "simulation", "--seed", "5");
    expect(out).toMatch(
      /^2\. Everything after the log is derived +simulation, seeds from 5 +\d+ +0 +\d+ +npm run simulate -- --seed 5/m,
    );
    expect(out).toMatch(/^every promise held where it was tried, seed 5$/m);
    expect(code).toBe(0);
  });

  test("ends with 1 and how to repeat it if a bug breaks a promise", async () => {
    // It ends with the first seed that shows the bug.
    const bug = ["--flaw", "cursor-outside-transaction", "--minutes", "5"];
    const { code, out } = await prove("--only", "simulation", "--seed", "1", ...bug);
    expect(out).toMatch(
      /^1\. Nothing acknowledged .* simulation, seeds from 1 +\d+ +1 +\d+ +npm run simulate -- --seed \d+ --steps \d+ --flaw/m,
    );
    expect(out).toMatch(/^BROKEN in \d+ lines, seed 1$/m);
    expect(code).toBe(1);
  });
});
