// Generates the typed client of each service's database into prisma/<service>/generated (committed), with the models that are
// marked `/// @client` in its schema.prisma and no others. `--check` generates only those whose inputs have changed (with
// CI=true all of them) and fails when what is committed differs from what it generates.
// The Prisma CLI (470 MB) is not a dependency: it runs from npm's cache, in the version of `@prisma/client`. It needs no schema
// engine to generate; /bin/false stands in for that download, so that a migration cannot look successful.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const ROOT = path.resolve(import.meta.dirname, "..");
const { dependencies } = JSON.parse(readFileSync(`${ROOT}/package.json`, "utf8"));
const PRISMA = `prisma@${dependencies["@prisma/client"]}`;
const GENERATOR = `generator client {
  provider               = "prisma-client"
  output                 = "./generated"
  runtime                = "nodejs"
  moduleFormat           = "esm"
  generatedFileExtension = "ts"
  importFileExtension    = "js"
  compilerBuild          = "small"
}`;
/** Generated always, and only for code that runs in a browser. */
const UNUSED = ["browser.ts", "internal/prismaNamespaceBrowser.ts"];
const HASHES = "hashes.json";

const isCheck = process.argv.includes("--check");
const clients = readdirSync(`${ROOT}/prisma`).flatMap((service) => {
  const schema = `${ROOT}/prisma/${service}/schema.prisma`;
  if (!existsSync(schema)) return [];
  const input = clientSchema(readFileSync(schema, "utf8"));
  const output = `${ROOT}/prisma/${service}/generated`;
  return [{ service, input, output, before: hashesOf(output), inputHash: sha256(PRISMA + input) }];
});
const stale = clients.filter((client) => !isCheck || process.env.CI === "true" || !isCurrent(client));
generate(stale);
const unused = clients.flatMap(unusedModels);
if (isCheck && unused.length > 0) {
  console.error(`Marked \`/// @client\`, but not used: ${unused.join(", ")}`);
  process.exitCode = 1;
}
const changed = stale.filter(({ output, before }) => treeHash(output) !== before.tree).map(({ service }) => service);
if (isCheck && changed.length > 0) {
  console.error(
    `Prisma clients differed from their schemas and were generated anew; commit them: ${changed.join(", ")}`,
  );
  process.exitCode = 1;
}

/** The part of a schema that the client is made of: marked models, without comments, indexes and relations to other models. */
function clientSchema(schema) {
  const block = /(?<docs>(?:^\/\/\/.*\n)*)^(?<keyword>\w+) (?<name>\w+) \{\n(?<body>[\s\S]*?)^\}/gm;
  const blocks = [...schema.matchAll(block)].map(({ groups }) => groups);
  const isLeftOut = ({ keyword, docs }) => keyword === "model" && !docs.includes("@client");
  const leftOut = blocks.filter(isLeftOut).map(({ name }) => name);
  const unwanted = new RegExp(`^\\s*($|//|@@index|\\w+\\s+(${leftOut.join("|") || "-"})\\b)`);
  const kept = blocks.filter((each) => !isLeftOut(each));
  if (!kept.some(({ keyword }) => keyword === "model")) return "";
  const texts = kept.map(({ keyword, name, body }) => {
    const lines = body.split("\n").filter((line) => !unwanted.test(line));
    return [`${keyword} ${name} {`, ...lines.map((line) => `  ${line.trim().replace(/\s+/g, " ")}`), "}"].join("\n");
  });
  return `${[GENERATOR, ...texts].join("\n\n")}\n`;
}

/** Marked models that nothing in their service names, neither as `prisma.model` nor as a relation of another model. */
function unusedModels({ service, input }) {
  const files = readdirSync(`${ROOT}/workers/${service}`, { recursive: true }).filter((file) =>
    /(?<!test|testing)\.ts$/.test(file),
  );
  const source = files.map((file) => readFileSync(`${ROOT}/workers/${service}/${file}`, "utf8")).join("\n");
  return [...input.matchAll(/^model ((\w)(\w*))/gm)].flatMap(([, model, first, rest]) => {
    const relations = [...input.matchAll(new RegExp(`^  (\\w+) ${model}\\b`, "gm"))].map(([, field]) => field);
    const names = [`\\.${first.toLowerCase()}${rest}\\.`, ...relations.map((field) => `\\b${field}:`)];
    return new RegExp(names.join("|")).test(source) ? [] : [`${service}: ${model}`];
  });
}

function generate(wanted) {
  const dir = mkdtempSync(path.join(tmpdir(), "metrly-prisma-"));
  try {
    const real = wanted.filter(({ input }) => input !== "");
    for (const { service, input } of real) {
      mkdirSync(`${dir}/${service}`);
      writeFileSync(`${dir}/${service}/schema.prisma`, input);
    }
    const commands = real.map(({ service }) => `prisma generate --schema ${service}/schema.prisma`).join(" && ");
    if (real.length > 0) run("npm", ["exec", "--yes", "--prefer-offline", `--package=${PRISMA}`, "-c", commands], dir);
    for (const { service, output, inputHash, input } of wanted) {
      rmSync(output, { recursive: true, force: true });
      if (input === "") continue;
      for (const name of UNUSED) rmSync(`${dir}/${service}/generated/${name}`);
      cpSync(`${dir}/${service}/generated`, output, { recursive: true });
      writeFileSync(`${output}/${HASHES}`, `${JSON.stringify({ inputs: inputHash, tree: treeHash(output) })}\n`);
    }
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function isCurrent({ input, output, before, inputHash }) {
  return input === "" ? !existsSync(output) : before.inputs === inputHash && before.tree === treeHash(output);
}

function hashesOf(output) {
  const file = `${output}/${HASHES}`;
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
}

function treeHash(dir) {
  if (!existsSync(dir)) return undefined;
  const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const names = files.map((file) => path.relative(dir, path.join(file.parentPath, file.name))).sort();
  return sha256(
    names
      .filter((name) => name !== HASHES)
      .map((name) => `${name}\n${readFileSync(`${dir}/${name}`, "utf8")}`)
      .join("\n"),
  );
}

function sha256(text) {
  return createHash("sha256").update(text).digest("hex");
}

function run(command, args, cwd) {
  const env = { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: "/bin/false" };
  const { status } = spawnSync(command, args, { cwd, env, stdio: ["ignore", "inherit", "inherit"] });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: exit ${status}`);
}
