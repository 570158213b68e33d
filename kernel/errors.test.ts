import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { ERROR_CODES, hasCode, isErrorCode, MetrlyError, messageOf } from "./errors.js";

test("docs/errors.md lists exactly the codes there are, with their status and meaning", async () => {
  const documented = await readFile(new URL("../docs/errors.md", import.meta.url), "utf8");
  const rows = documented.split("\n").filter((line) => line.startsWith("| `"));
  expect(rows).toEqual(
    Object.entries(ERROR_CODES).map(([code, { status, meaning }]) => `| \`${code}\` | ${status} | ${meaning} |`),
  );
});

test("an error knows the status of its code", () => {
  const error = new MetrlyError("QUOTA_EXCEEDED", "no more");
  expect(error).toMatchObject({ name: "MetrlyError", code: "QUOTA_EXCEEDED", message: "no more", status: 429 });
  expect(error.extensions).toEqual({});
  expect(new MetrlyError("INVALID", "wrong", { errors: [] }).extensions).toEqual({ errors: [] });
});

test("codes are those of the list, and no names that every object has", () => {
  expect(["INVALID", "BUSY"].every(isErrorCode)).toBe(true);
  expect(["toString", "invalid", "", 400, undefined].some(isErrorCode)).toBe(false);
});

test("whatever was thrown has a message, and a code only as an error", () => {
  expect([new Error("a"), "b", undefined].map(messageOf)).toEqual(["a", "b", "undefined"]);
  const refused = Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
  expect(hasCode(refused, "EPIPE", "ECONNREFUSED")).toBe(true);
  expect(hasCode(refused, "EPIPE")).toBe(false);
  expect(hasCode(refused)).toBe(false);
  expect(hasCode({ code: "EPIPE" }, "EPIPE")).toBe(false);
  expect(hasCode(undefined, "EPIPE")).toBe(false);
  expect(hasCode(new Error("EPIPE"), "EPIPE")).toBe(false);
});
