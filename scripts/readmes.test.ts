import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";

test("a room without a README and a path, link or script of npm that does not exist are reported", () => {
  const tree = mkdtempSync(path.join(tmpdir(), "metrly-readmes-"));
  const write = (file: string, text = "") => {
    mkdirSync(path.dirname(path.join(tree, file)), { recursive: true });
    writeFileSync(path.join(tree, file), text);
  };
  write(
    "CONTRIBUTING.md",
    "`workers/<service>/main.ts` and `workers/quota/gone.ts`, `npm run schema:generate -- --a`, `npm run nothing`\n",
  );
  write("workers/quota/main.ts");
  write("workers/quota/rules/limits.ts");
  write(
    "workers/quota/README.md",
    "`limits.ts`, `rules/`, `main.{ts,js}`, `POST /v1/gone.ts`, `other.ts`, `store/store.ts`, [the room](rules/limits.ts#a), [gone](../gone.md), [a part](#limits-of-1-mib), [no part](../billing/README.md#gone)\n```\n`code.ts`\n```\n## Limits of 1 `MiB`\n",
  );
  write("workers/billing/README.md");
  write("workers/billing/store/store.ts");
  write("package.json", JSON.stringify({ scripts: { "schema:generate": "" } }));
  write("platform/README.md");
  write("platform/http/server.ts", "");
  write("platform/http/other.ts", "");
  const { stderr, status } = spawnSync(process.execPath, [path.resolve(import.meta.dirname, "readmes.mjs")], {
    cwd: tree,
    encoding: "utf8",
  });
  rmSync(tree, { recursive: true });
  expect([status, stderr.trim().split("\n")]).toEqual([
    1,
    [
      "platform/http: has no README.md",
      "CONTRIBUTING.md: workers/quota/gone.ts does not exist",
      "workers/quota/README.md: other.ts does not exist",
      "workers/quota/README.md: store/store.ts does not exist",
      "CONTRIBUTING.md: there is no script nothing for npm run",
      "workers/quota/README.md: the link to ../gone.md is dead",
      "workers/quota/README.md: the link to ../billing/README.md#gone is dead",
    ],
  ]);
});
