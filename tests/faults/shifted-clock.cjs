// Preloaded into a role: its dates are off by the milliseconds in a file beside this one that has the role's name. Once they are,
// another one says so: NAME.set.
const { readFileSync, writeFileSync } = require("node:fs");
const path = require("node:path");

const file = path.join(__dirname, process.argv[2] ?? "none");
const Real = Date;
let offsetMs = 0;
let saidMs;

function read() {
  try {
    offsetMs = Number(readFileSync(file, "utf8")) || 0;
  } catch {
    // Nobody has set it yet.
    return;
  }
  if (offsetMs !== saidMs) writeFileSync(`${file}.set`, String(offsetMs));
  saidMs = offsetMs;
}

const now = () => Real.now() + offsetMs;
globalThis.Date = new Proxy(Real, {
  construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
  apply: () => new Real(now()).toString(),
  get: (target, name) => (name === "now" ? now : Reflect.get(target, name)),
});
read();
setInterval(read, 50).unref();
