// Preloaded into a role: writes what is alive after a full collection into the folder `heaps` beside this file, again and again.
const { mkdirSync, renameSync, writeFileSync } = require("node:fs");
const path = require("node:path");
const { setFlagsFromString } = require("node:v8");
const { runInNewContext } = require("node:vm");

const EVERY_MS = 5_000;
const folder = path.join(__dirname, "heaps");
const file = path.join(folder, process.argv[2] ?? "none");
// NODE_OPTIONS may not have the flag.
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc");

mkdirSync(folder, { recursive: true });
setInterval(() => {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  writeFileSync(`${file}.new`, JSON.stringify({ pid: process.pid, bytes: heapUsed + external }));
  renameSync(`${file}.new`, file);
}, EVERY_MS).unref();
