import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { ERROR_CODES, MetrlyError } from "./errors.js";

test("docs/errors.md lists exactly the codes there are, with their status and meaning", async () => {
  const documented = await readFile(new URL("../docs/errors.md", import.meta.url), "utf8");
  const rows = documented.split("\n").filter((line) => line.startsWith("| `"));
  expect(rows).toEqual(
    Object.entries(ERROR_CODES).map(([code, { status, meaning }]) => `| \`${code}\` | ${status} | ${meaning} |`),
  );
});

test("an error knows the status of its code", () => {
  expect(new MetrlyError("QUOTA_EXCEEDED", "no more").status).toBe(429);
});
