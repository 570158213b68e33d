// Each room has a README, and what a README, CONTRIBUTING or a page of docs/ names exists: paths in backticks (a name alone
// somewhere in its room or in the root, a path from its own folder or the root), relative links, and scripts of npm.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";

const ROOMS = ["bench", "cli", "gateway", "kernel", "platform", "schema", "sdk", "tests"].filter((room) =>
  existsSync(room),
);
const FOLDERS = [
  ...ROOMS,
  ...[".ci", "deploy", "docs", "prisma", "scripts", "workers"].filter((folder) => existsSync(folder)),
];
/** Extensions of files; other texts often end like this too. */
const FILE = /\.(ts|mjs|json|md|sql|graphql|prisma|conf|lua|ya?ml|css)$/;
const tree = files();
const scripts = new Set(
  ["package.json", "sdk/package.json"]
    .filter((file) => existsSync(file))
    .flatMap((file) => Object.keys(JSON.parse(text(file)).scripts ?? {})),
);
/** Decisions describe the tree at their time. */
const pages = tree.filter((file) => /(^|\/)README\.md$|^CONTRIBUTING\.md$|^docs\/[^/]+\.md$/.test(file));
const paths = [...new Set(tree.flatMap((file) => [file, ...parents(file)]))];
const lines = [
  ...[...ROOMS, ...inner("platform"), ...inner("workers")]
    .filter((room) => !paths.includes(`${room}/README.md`))
    .map((room) => `${room}: has no README.md`),
  ...pages.flatMap((page) =>
    named(text(page))
      .filter((name) => !exists(name, path.posix.dirname(page)))
      .map((name) => `${page}: ${name} does not exist`),
  ),
  ...pages.flatMap((page) => [...deadLinks(page), ...unknownScripts(page)].map((name) => `${page}: ${name}`)),
];
for (const line of lines) console.error(line);
process.exitCode = lines.length === 0 ? 0 : 1;

/** The rooms that a folder holds. */
function inner(folder) {
  return paths.filter((at) => path.posix.dirname(at) === folder && !tree.includes(at));
}

function text(file) {
  return readFileSync(file, "utf8");
}

function files() {
  const here = readdirSync(".", { withFileTypes: true });
  const below = FOLDERS.flatMap((folder) => readdirSync(folder, { recursive: true, withFileTypes: true }));
  return [...here, ...below]
    .filter((entry) => entry.isFile() && !entry.parentPath.includes("node_modules"))
    .map((entry) => path.join(entry.parentPath, entry.name));
}

function parents(file) {
  const folder = path.posix.dirname(file);
  return folder === "." ? [] : [folder, ...parents(folder)];
}

/** What stands in backticks, outside of code blocks, and looks like a file or folder of this repository. */
function named(page) {
  const spans = [...page.replaceAll(/^```[\s\S]*?^```/gm, "").matchAll(/`([^`\n]+)`/g)].map(([, span]) => span);
  return spans.filter((span) => {
    if (!/^[\w.{},*<>-]+(\/[\w.{},*<>-]+)*\/?$/.test(span)) return false;
    if (span.endsWith("/")) return true;
    return span.includes("/") ? FOLDERS.includes(span.split("/")[0]) || FILE.test(span) : FILE.test(span);
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
  const isInRoom = from !== "." && from !== "docs";
  if (!pattern.includes("/") && matches(`^${isInRoom ? `${from}/` : ""}(?:.*/)?${pattern}$`)) return true;
  return matches(`^(?:${from}/)?${pattern}$`);
}

function matches(pattern) {
  const wanted = new RegExp(pattern);
  return paths.some((at) => wanted.test(at));
}

function deadLinks(page) {
  const targets = [...text(page).matchAll(/\]\((?![a-z]+:|#)([^)\s#]+)/g)].map(([, target]) => target);
  return targets
    .filter((target) => !existsSync(path.join(path.dirname(page), target)))
    .map((target) => `the link to ${target} is dead`);
}

function unknownScripts(page) {
  const named = [...text(page).matchAll(/npm run (?:--?[\w-]+ )*([\w:-]+)/g)].map(([, script]) => script);
  return [...new Set(named)]
    .filter((script) => !scripts.has(script))
    .map((script) => `there is no script ${script} for npm run`);
}
