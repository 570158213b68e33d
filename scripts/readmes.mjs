// Each room has a README, and what a README, CONTRIBUTING or a page of docs/ names exists: paths in backticks (a name alone
// somewhere in its room or in the root, a path from its own folder or the root), relative links with their
// anchors (of every page), and scripts of npm.
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
  ...pages.flatMap((page) => unknownScripts(page).map((name) => `${page}: ${name}`)),
  ...tree.filter((file) => file.endsWith(".md")).flatMap((page) => deadLinks(page).map((name) => `${page}: ${name}`)),
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

/** Relative links to files that do not exist, or to headings that the page they name does not have. */
function deadLinks(page) {
  const targets = [...prose(page).matchAll(/\]\((?![a-z]+:)([^)\s#]*)(?:#([^)\s]+))?/g)];
  return targets
    .filter(([, target, anchor]) => {
      const file = target === "" ? page : path.join(path.dirname(page), target);
      if (!existsSync(file)) return true;
      return anchor !== undefined && file.endsWith(".md") && !anchorsOf(file).has(anchor);
    })
    .map(([, target, anchor]) => `the link to ${target}${anchor === undefined ? "" : `#${anchor}`} is dead`);
}

/** What a link to a page may name: its headings as GitHub turns them into anchors, and explicit ones. */
function anchorsOf(page) {
  const headings = [...prose(page).matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
    title
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(" ", "-"),
  );
  return new Set([...headings, ...[...prose(page).matchAll(/<a id="([^"]+)">/g)].map(([, id]) => id)]);
}

function prose(page) {
  return text(page).replaceAll(/^```[\s\S]*?^```/gm, "");
}

function unknownScripts(page) {
  const named = [...text(page).matchAll(/npm run (?:--?[\w-]+ )*([\w:-]+)/g)].map(([, script]) => script);
  return [...new Set(named)]
    .filter((script) => !scripts.has(script))
    .map((script) => `there is no script ${script} for npm run`);
}
