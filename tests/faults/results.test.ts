import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { aboutSources, hashOfSources, isOfSources, type Result, record } from "./results.js";

const CELL = { component: "quota", fault: "kill" } as const;
let root: string;
const git = (...args: readonly string[]) =>
  execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@localhost", ...args], { cwd: root, encoding: "utf8" });
const write = (file: string, text: string) => writeFile(path.join(root, file), text);

beforeEach(async () => {
  root = await mkdtemp(path.join(os.tmpdir(), "sources-"));
  await mkdir(path.join(root, "workers"));
  await write("workers/a.ts", "1");
  git("init", "-q");
  git("add", ".");
  git("commit", "-q", "-m", "a");
});
afterEach(() => rm(root, { recursive: true, force: true }));

test("each change of the product gives other sources: also a new file, and its text", async () => {
  const { commit, sources } = aboutSources(root);
  expect([commit.endsWith("+"), isOfSources(commit, root)]).toEqual([false, true]);
  await write("workers/a.test.ts", "1");
  await write("notes.md", "1");
  expect([hashOfSources(root), isOfSources(commit, root)]).toEqual([sources, true]);
  const seen = new Set([sources]);
  for (const [file, text] of [
    ["workers/b.ts", "1"],
    ["workers/b.ts", "2"],
    ["workers/a.ts", "2"],
  ] as const) {
    await write(file, text);
    seen.add(hashOfSources(root));
    expect(isOfSources(commit, root)).toBe(false);
  }
  expect(seen.size).toBe(4);
  const changed = aboutSources(root);
  expect(changed.commit).toBe(`${commit}+`);
  expect(isOfSources(changed.commit, root)).toBe(false);
});

test("what builds and starts the roles is a part of the sources; what only tests and documents read is none", async () => {
  await mkdir(path.join(root, "scripts"));
  const seen = new Set([hashOfSources(root)]);
  for (const file of ["package.json", "tsconfig.json", "scripts/build.mjs", "Dockerfile", ".env.example"]) {
    await write(file, "1");
    seen.add(hashOfSources(root));
  }
  expect(seen.size).toBe(6);
  const { commit, sources } = aboutSources(root);
  expect(commit.endsWith("+")).toBe(true);
  for (const file of ["tsconfig.build.json", "vitest.config.ts", "scripts/check.mjs", "CHANGELOG.md"])
    await write(file, "1");
  expect(hashOfSources(root)).toBe(sources);
});

test("a result is of the sources that were built, not of those that are here when it ends", async () => {
  const kept: Result[] = [];
  const about = aboutSources(root);
  const change = async () => {
    await write("workers/a.ts", "2");
    git("commit", "-q", "-a", "-m", "b");
  };
  await record(CELL, 1, about, change, (result) => kept.push(result));
  await expect(
    record(
      CELL,
      2,
      about,
      () => Promise.reject(new Error("lost")),
      (result) => kept.push(result),
    ),
  ).rejects.toThrow();
  expect(kept).toMatchObject([
    { ...CELL, ...about, seed: 1 },
    { ...CELL, ...about, seed: 2, violated: "Error: lost" },
  ]);
  expect(hashOfSources(root)).not.toBe(about.sources);
});
