// Generates the typed client of every service's database into prisma/<service>/generated (committed). `--check` fails when
// what is committed differs. The Prisma CLI (470 MB) is no dependency of the package: it runs from npm's cache, pinned here.
// Its schema engine is a download that this needs not: /bin/false stands in, so that a migration can't look successful.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";

const PRISMA = "prisma@7.10.0";
const root = new URL("../prisma/", import.meta.url);
const services = readdirSync(root).filter((name) => existsSync(new URL(`${name}/schema.prisma`, root)));

for (const service of services) {
  const args = [
    "exec",
    "--yes",
    `--package=${PRISMA}`,
    "--",
    "prisma",
    "generate",
    "--config",
    `prisma/${service}/prisma.config.ts`,
  ];
  run("npm", args, { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: "/bin/false" });
}
if (process.argv.includes("--check")) {
  const changed = spawnSync("git", ["status", "--porcelain", "--", "prisma"], { encoding: "utf8" }).stdout.trim();
  if (changed !== "") {
    console.error(
      `Generated Prisma clients differ from their schemas; run npm run prisma:generate and commit:\n${changed}`,
    );
    process.exit(1);
  }
}

function run(command, args, env) {
  const result = spawnSync(command, args, { stdio: ["ignore", "inherit", "inherit"], env });
  if (result.status !== 0) process.exit(result.status ?? 1);
}
