import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

const SCRIPT = path.resolve(import.meta.dirname, "commits.mjs");
const LONG = "x".repeat(73);
let folder: string;
let origin: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "metrly-commits-"));
  origin = path.join(folder, "origin");
  execFileSync("git", ["init", "-q", "-b", "main", origin]);
  for (const [name, value] of [
    ["user.name", "A"],
    ["user.email", "a@example.com"],
    ["commit.gpgsign", "false"],
  ])
    git("config", String(name), String(value));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("long subjects and missing bodies since the last release tag are refused, merges exempt", () => {
  commit(LONG);
  git("tag", "v0.9.0");
  commit("x".repeat(72), "Because of this.");
  git("checkout", "-q", "-b", "side");
  commit("Side", "Because of that.");
  git("checkout", "-q", "main");
  commit("Main", "Because of both.");
  git("merge", "-q", "--no-ff", "-m", LONG, "side");
  expect(checked(origin)).toEqual({ ok: true, said: "" });
  commit(LONG, "Because.");
  commit("No body");
  commit("Only a trailer", "Signed-off-by: A <a@example.com>");
  const { ok, said } = checked(origin);
  expect(ok).toBe(false);
  expect(said.match(/the subject has 73 characters/g)).toHaveLength(1);
  expect(said).toMatch(/no body says why: No body\n/);
  expect(said).toMatch(/no body says why: Only a trailer\n/);
});

test("a history without the release is checked as far as it is understood, and that is announced", () => {
  commit(LONG);
  commit("Good", "Because.");
  expect(checked(origin)).toMatchObject({ ok: true, said: expect.stringContaining("only the last commit checked") });
});

test("a shallow clone is checked as far as it reaches", () => {
  commit(LONG);
  commit("Older", "Because.");
  commit("Newer", "Because.");
  const clone = path.join(folder, "clone");
  execFileSync("git", ["clone", "-q", "--depth", "2", `file://${origin}`, clone]);
  expect(checked(clone)).toEqual({ ok: true, said: "commits checked as far as this shallow clone reaches\n" });
});

test("sources without a repository are no failure", () => {
  expect(checked(folder)).toEqual({ ok: true, said: "commits not checked: this is no Git checkout\n" });
});

function git(...args: string[]): void {
  execFileSync("git", args, { cwd: origin });
}

function commit(...paragraphs: string[]): void {
  git("commit", "-q", "--allow-empty", ...paragraphs.flatMap((text) => ["-m", text]));
}

function checked(cwd: string): { ok: boolean; said: string } {
  const env = { ...process.env, GIT_CEILING_DIRECTORIES: tmpdir() };
  const { status, stdout, stderr } = spawnSync(process.execPath, [SCRIPT], { cwd, env, encoding: "utf8" });
  return { ok: status === 0, said: stdout + stderr };
}
