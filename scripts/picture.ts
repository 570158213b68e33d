// `npm run picture`: draws README's picture from the Metrly that runs in this checkout (`npm start`).
import { writeFileSync } from "node:fs";
import path from "node:path";
import { packageRoot } from "../platform/process/package-root.js";
import { cliAtTerminal } from "../tests/systems/docs/terminal.js";
import { drawTerminal, type Session } from "./terminal-picture.js";

const COLUMNS = 84;
const COMMANDS = ["usage acme --by region", "quotas globex", "quotas initech", "invoices list acme"];

const sessions: Session[] = [];
for (const command of COMMANDS) {
  const printed = await cliAtTerminal(command, packageRoot(), process.env, COLUMNS);
  sessions.push({ command: `npx metrly ${command}`, lines: printed.trimEnd().split("\n") });
}
const title = "Metrly's command line: usage by region and day, limits with their state, and an invoice";
writeFileSync(path.join(packageRoot(), "docs/terminal.svg"), drawTerminal(sessions, COLUMNS, title));
