// Each room has a README, and every path that a README, CONTRIBUTING or a page of docs/ names in backticks exists: a name alone
// somewhere in its room or in the root, a longer path at the end of some path.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { ROOT } from "./install.mjs";

const FOLDERS = [
  ".ci",
  "bench",
  "cli",
  "deploy",
  "docs",
  "gateway",
  "kernel",
  "platform",
  "prisma",
  "schema",
  "scripts",
];
const ALL = [...FOLDERS, "sdk", "tests", "workers"];
const ROOMS = [
  "bench",
  "cli",
  "gateway",
  "kernel",
  "platform",
  "schema",
  "sdk",
  "tests",
  ...inner("platform"),
  ...inner("workers"),
];
/** Of a file, for it may stand alone; what is no file of the repository often ends so, too. */
const FILE = /\.(ts|mjs|json|md|sql|graphql|prisma|conf|lua|ya?ml|css)$/;
/** Decisions tell of the tree as it was. */
const PAGES = [
  "README.md",
  "CONTRIBUTING.md",
  ...files().filter((file) => file.endsWith("README.md") || /^docs\/[^/]+\.md$/.test(file)),
];

const paths = [...new Set(files().flatMap((file) => [file, ...parents(file)]))];
const lines = [
  ...ROOMS.filter((room) => !existsSync(path.join(ROOT, room, "README.md"))).map((room) => `${room}: has no README.md`),
  ...PAGES.flatMap((page) =>
    named(readFileSync(path.join(ROOT, page), "utf8"))
      .filter((name) => !exists(name, path.posix.dirname(page)))
      .map((name) => `${page}: ${name} does not exist`),
  ),
];
for (const line of lines) console.error(line);
process.exitCode = lines.length === 0 ? 0 : 1;

function inner(folder) {
  return readdirSync(path.join(ROOT, folder))
    .map((name) => `${folder}/${name}`)
    .filter((room) => statSync(path.join(ROOT, room)).isDirectory());
}

function files() {
  const nested = ALL.flatMap((folder) =>
    readdirSync(path.join(ROOT, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.parentPath.includes("node_modules"))
      .map((entry) => path.relative(ROOT, path.join(entry.parentPath, entry.name))),
  );
  return [
    ...readdirSync(ROOT, { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name }) => name),
    ...nested,
  ];
}

function parents(file) {
  const folder = path.posix.dirname(file);
  return folder === "." ? [] : [folder, ...parents(folder)];
}

/** What stands in backticks, outside of code blocks, and looks like a file or folder of this repository. */
function named(text) {
  const spans = [...text.replaceAll(/^```[\s\S]*?^```/gm, "").matchAll(/`([^`\n]+)`/g)].map(([, span]) => span);
  return spans.filter((span) => {
    if (!/^[\w.{},*<>-]+(\/[\w.{},*<>-]+)*\/?$/.test(span)) return false;
    if (span.endsWith("/")) return true;
    return span.includes("/") ? ALL.includes(span.split("/")[0]) || FILE.test(span) : FILE.test(span);
  });
}

/** `*` stands for a part of a name, `<service>` likewise, `{a,b}` for either. */
function exists(name, from) {
  const pattern = name
    .replace(/\/$/, "")
    .replaceAll(/<[^>]+>/g, "*")
    .replaceAll(".", "\\.")
    .replaceAll("*", "[^/]*")
    .replaceAll(/\{([^}]*)\}/g, (_, either) => `(?:${either.replaceAll(",", "|")})`);
  const isRoom = from !== "." && from !== "docs";
  const wanted = new RegExp(`^${isRoom && !name.includes("/") ? `${from}/` : ""}(?:.*/)?${pattern}$`);
  return paths.some((at) => wanted.test(at)) || paths.includes(name);
}
