import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { startPostgres } from "../servers/private-servers.js";

/** Runs `main.ts` with the PostgreSQL of DATABASE_URL, or with one of its own. */
const given = process.env.DATABASE_URL;
const server = given ? undefined : await startPostgres({ fsync: "off", full_page_writes: "off", autovacuum: "off" });
const main = fileURLToPath(new URL("./main.ts", import.meta.url));
const child = spawn(process.execPath, [...process.execArgv, main, ...process.argv.slice(2)], {
  stdio: "inherit",
  env: { ...process.env, DATABASE_URL: given || server?.url() },
});
// Ctrl-C reaches the child by itself; this process has to outlive it.
process.on("SIGINT", () => undefined);
const [code] = await once(child, "exit");
await server?.stop();
process.exitCode = typeof code === "number" ? code : 1;
