// The rules of `.dependency-cruiser.mjs` for the tree in the working directory, cycles between rooms, and rooms that have grown
// too large. Prints one line per violation and exits with 1 when there is any.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { ROOT } from "./install.mjs";

const FOLDERS = ["kernel", "schema", "platform", "gateway", "workers", "cli", "prisma", "sdk", "tests", "bench"];
const TEST = /\.(test|testing|conformance)\.ts$/;
/** Each file is a room here: a service's consumers and metrics are beside the main that wires them. */
const FLOORS = /^(gateway|cli|workers\/[^/]+|schema|tests|bench|sdk\/src)$/;
const LARGEST_ROOM = 25;

const { modules, violations } = cruise(FOLDERS.filter((folder) => existsSync(folder)));
const lines = [
  ...violations.map(({ rule, from, to, cycle }) => {
    const way = cycle === undefined ? to : cycle.map(({ name }) => name).join(" -> ");
    return `${rule.name}: ${from} -> ${way}`;
  }),
  ...roomCycles(modules),
  ...largeRooms(),
];
// Without a parser that understands this TypeScript, dependency-cruiser is content with nothing.
if (modules.length === 0) lines.push("no modules seen");
for (const line of lines) console.error(line);
process.exitCode = lines.length === 0 ? 0 : 1;

function cruise(folders) {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [
      `${ROOT}/node_modules/dependency-cruiser/bin/dependency-cruise.mjs`,
      ...["--config", `${ROOT}/.dependency-cruiser.mjs`, "--output-type", "json", ...folders],
    ],
    { encoding: "utf8", maxBuffer: 2 ** 28 },
  );
  if (!stdout.startsWith("{")) throw new Error(`dependency-cruiser failed: ${stdout}${stderr}`);
  const { modules, summary } = JSON.parse(stdout);
  return { modules, violations: summary.violations };
}

/** Rooms that reach each other, each named once by the shortest way around. Tests may look anywhere. */
function roomCycles(modules) {
  const arrows = new Map();
  for (const { source, dependencies } of modules) {
    if (!source.endsWith(".ts") || source.startsWith("prisma/") || TEST.test(source)) continue;
    for (const { resolved } of dependencies) {
      const [from, to] = [roomOf(source), roomOf(resolved)];
      if (from === to || !resolved.endsWith(".ts") || resolved.includes("node_modules")) continue;
      if (!arrows.has(from)) arrows.set(from, new Map());
      arrows.get(from).set(to, `${source} imports ${resolved}`);
    }
  }
  const named = new Set();
  return [...arrows.keys()].flatMap((room) => {
    const way = wayBack(arrows, room);
    if (way === undefined || way.some((name) => named.has(name))) return [];
    for (const name of way) named.add(name);
    const imports = way.map((name, index) => arrows.get(name).get(way[index + 1] ?? room));
    return [`rooms-form-no-cycle: ${[...way, room].join(" -> ")} (${imports.join("; ")})`];
  });
}

function roomOf(file) {
  const folder = path.posix.dirname(file);
  return FLOORS.test(folder) ? file : folder;
}

function wayBack(arrows, room) {
  const cameFrom = new Map();
  const queue = [room];
  for (const at of queue) {
    for (const next of arrows.get(at)?.keys() ?? []) {
      if (next === room) {
        const way = [at];
        while (way[0] !== room) way.unshift(cameFrom.get(way[0]));
        return way;
      }
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, at);
      queue.push(next);
    }
  }
  return undefined;
}

function largeRooms() {
  const files = FOLDERS.filter((folder) => existsSync(folder)).flatMap((folder) =>
    readdirSync(folder, { recursive: true }).map((name) => path.posix.join(folder, name)),
  );
  const sizes = new Map();
  for (const file of files) {
    if (/(^|\/)(generated|node_modules|dist)(\/|$)/.test(file) || path.posix.extname(file) === "") continue;
    const folder = path.posix.dirname(file);
    sizes.set(folder, (sizes.get(folder) ?? 0) + 1);
  }
  return [...sizes]
    .filter(([, size]) => size > LARGEST_ROOM)
    .map(([folder, size]) => `room-is-too-large: ${folder} has ${size} files, at most ${LARGEST_ROOM}`);
}
