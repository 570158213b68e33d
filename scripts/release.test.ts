import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

const SCRIPT = path.resolve(import.meta.dirname, "release.mjs");
const CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n- A change.\n\n## [0.1.0] - 2026-01-01\n\n- The first.\n";
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "metrly-release-"));
  git("init", "-q", "-b", "main");
  git("config", "user.name", "A");
  git("config", "user.email", "a@example.com");
  git("config", "commit.gpgsign", "false");
  git("config", "tag.gpgsign", "false");
  write("package.json", JSON.stringify({ version: "0.1.0", scripts: { "schema:release": "echo 1 > frozen" } }));
  write("sdk/package.json", JSON.stringify({ version: "0.1.0" }));
  write(
    "package-lock.json",
    JSON.stringify({ version: "0.1.0", packages: { "": {}, sdk: {}, other: { version: "0.1.0" } } }),
  );
  write("CHANGELOG.md", CHANGELOG);
  write("schema/graphql/api.graphql", "type New\n");
  write("schema/graphql/released.graphql", "type Old\n");
  write("schema/graphql/breaking.json", '["a change"]\n');
  git("add", ".");
  git("commit", "-q", "-m", "First", "-m", "Because.");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("a dry run says each step and changes nothing", () => {
  const before = git("rev-parse", "HEAD");
  const { ok, said } = release("--dry-run");
  expect(ok).toBe(true);
  for (const part of [
    "version 0.2.0",
    "CHANGELOG",
    "schema:release",
    "released.graphql",
    "commit",
    "tag v0.2.0",
    "nothing was changed",
  ])
    expect(said).toContain(part);
  expect([git("rev-parse", "HEAD"), git("status", "--porcelain"), git("tag")]).toEqual([before, "", ""]);
});

test("a release needs a remote that is the repository of the SDK's package", () => {
  const repository = { type: "git", url: "git+https://example.com/team/metrly.git", directory: "sdk" };
  write("sdk/package.json", JSON.stringify({ version: "0.1.0", repository }));
  git("commit", "-qam", "Name the repository", "-m", "Because.");
  const refused = { ok: false, said: expect.stringContaining("the repository that sdk/package.json names") };
  expect(release("--dry-run")).toMatchObject(refused);
  git("remote", "add", "origin", "https://example.com/other/metrly");
  expect(release("--dry-run")).toMatchObject(refused);
  for (const url of [
    "git@example.com:team/metrly.git",
    "https://example.com/team/metrly",
    "ssh://git@example.com/team/metrly.git",
  ]) {
    git("remote", "set-url", "origin", url);
    expect(release("--dry-run").ok, url).toBe(true);
  }
});

test("a release bumps versions, dates the changelog, freezes contracts, commits and tags", () => {
  expect(release()).toMatchObject({ ok: true });
  expect([git("status", "--porcelain"), git("tag"), git("log", "-1", "--format=%s")]).toEqual([
    "",
    "v0.2.0",
    "Release 0.2.0",
  ]);
  expect(JSON.parse(read("package.json")).version).toBe("0.2.0");
  expect(JSON.parse(read("sdk/package.json")).version).toBe("0.2.0");
  const { version, packages } = JSON.parse(read("package-lock.json"));
  expect([version, packages[""].version, packages.sdk.version, packages.other.version]).toEqual([
    ...["0.2.0", "0.2.0", "0.2.0"],
    "0.1.0",
  ]);
  expect(read("CHANGELOG.md")).toMatch(/## \[Unreleased\]\n\n## \[0\.2\.0\] - \d{4}-\d\d-\d\d\n\n- A change\./);
  expect([read("schema/graphql/released.graphql"), read("schema/graphql/breaking.json")]).toEqual([
    "type New\n",
    "[]\n",
  ]);
  expect(git("show", "--stat", "--format=%b", "HEAD")).toContain("frozen");
  // Nothing has changed since: the next one has nothing to say.
  expect(release()).toMatchObject({ ok: false, said: expect.stringContaining("something under Unreleased") });
});

test("a dirty tree, another branch and a version that is no step forward are refused", () => {
  write("new", "");
  git("checkout", "-q", "-b", "side");
  const { ok, said } = release("0.1.0");
  expect(ok).toBe(false);
  for (const part of ["the branch is main", "the tree is clean", "0.1.0 is a version above 0.1.0"])
    expect(said).toContain(part);
  expect(git("tag")).toBe("");
});

test("a dry run with unmet conditions says them and the steps, and fails", () => {
  write("new", "");
  const { ok, said } = release("--dry-run");
  expect(ok).toBe(false);
  for (const part of ["a release needs: the tree is clean", "would tag v0.2.0"]) expect(said).toContain(part);
});

test.each(["banana", "1.2", "v1.0.0", "1.0.0.0"])("%s is refused as no version", (version) => {
  const { ok, said } = release("--dry-run", version);
  expect(ok).toBe(false);
  expect(said).toContain(`${version} is not a version`);
  expect(said).not.toContain("tag");
});

function write(file: string, text: string): void {
  mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
  writeFileSync(path.join(folder, file), text);
}

const read = (file: string) => readFileSync(path.join(folder, file), "utf8");

function git(...args: string[]): string {
  return execFileSync("git", args, { cwd: folder, encoding: "utf8" }).trim();
}

function release(...args: string[]): { ok: boolean; said: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [SCRIPT, ...args], { cwd: folder, encoding: "utf8" });
  return { ok: status === 0, said: stdout + stderr };
}
