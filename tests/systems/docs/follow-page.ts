import path from "node:path";
import { expect } from "vitest";
import { findNginx } from "../../servers/nginx.js";
import { freePort } from "../../servers/servers.js";
import { isLong } from "../../support/effort.js";
import { nodeFlags } from "../../support/node-flags.js";
import { hasProgram } from "../../support/programs.js";
import { rewrite } from "./fresh-clone.js";
import { type Block, blocksOf, isShown } from "./page.js";
import { openShell, type Shell } from "./shell.js";

/** Lines that a test cannot run, each with the reason. A line missing from every page is an error. */
export const NOT_RUN: Readonly<Record<string, string>> = {
  "npm start": "it is what runs",
  "npm test": "it is what runs this",
  "npx metrly watch": "it ends when it is interrupted: tests/systems/clients/show.test.ts",
  "npx metrly alerts watch": "it ends when it is interrupted: the first screen's test",
  "npx metrly webhooks listen --tenant acme": "it ends when it is interrupted: tests/systems/clients/webhooks.test.ts",
  "SDK=$PWD/$(npm pack --silent --workspace sdk)": "the SDK is packed once, for all pages",
  '(cd ../express-app && npm install express "$SDK")': "linked: tests need no registry",
  '(cd ../fastify-app && npm install fastify "$SDK")': "linked: tests need no registry",
  "python3 -m pip install requests": "without it the page is skipped",
};
/** A reader pauses between commands. */
const MOMENT_MS = 1_000;
/** Each command costs a third of a second of CPU. */
const BEFORE_REPEATING_MS = 3_000;
/** Read-only blocks: repeated until earlier events are visible. */
const QUESTIONS = /^(npx metrly (tenants|usage|quotas|invoices|graph '\{).*\n)+$/;
const ANSWER_WITHIN_MS = 120_000;
/**
 * A problem document's status, or rejected items: curl exits with 0 for both. Not there yet (404) and denied (429) are valid
 * results.
 */
const REFUSED = /"status":(?!404|429)[45]\d\d|"rejected":[1-9]/;
/** Ports of the texts, besides Metrly's own: each page gets others. */
const PORTS = /\b(?:3000|8000|8080)\b/g;
/** A request that Metrly admits after nginx has given up would use up the limit: a busy machine is slow. */
const PATIENT_NGINX = { "timeout 500ms": "timeout 60s", "proxy_read_timeout 1s": "proxy_read_timeout 60s" };

/** A program as it is when the machine is not busy: with the SDK's default, a slow answer is none. */
export const patiently = (program: string): string =>
  program.replace(/whenUnreachable: "(?:allow|deny)"/, "$&, timeoutMs: 60_000");

/** A clone, and the port of the Metrly that runs in it. */
export interface Place {
  readonly clone: string;
  readonly port: number;
}

/** A page's commands and files in one shell, as a reader types them. */
export async function followPage(page: string, { clone, port }: Place, signal: AbortSignal): Promise<void> {
  const blocks = await blocksOf(page);
  const ports = await portsFor(page.startsWith("docs/recipes/") ? blocks : []);
  const here = (text: string) =>
    text.replaceAll("127.0.0.1:4000", `127.0.0.1:${port}`).replace(PORTS, (found) => `${ports.get(found) ?? found}`);
  const shell = openShell(clone, readersEnvironment());
  signal.addEventListener("abort", shell.close);
  try {
    await shell.run(npxOf(page));
    if (page === "docs/recipes/nginx.md") await prepareNginx(clone, here, shell);
    for (const block of blocks) {
      if (block.file !== undefined)
        await shell.run(`cat > "${block.file}" <<'END OF FILE'\n${patiently(here(block.code))}END OF FILE\n`);
      else if (block.language === "sh" && !isWithoutProgram(block)) await runBlock(shell, block, here, page);
    }
  } finally {
    signal.removeEventListener("abort", shell.close);
    shell.close();
  }
}

async function portsFor(blocks: readonly Block[]): Promise<ReadonlyMap<string, number>> {
  const found = new Set(blocks.flatMap(({ code }) => code.match(PORTS) ?? []));
  return new Map(await Promise.all([...found].map(async (one) => [one, await freePort()] as const)));
}

/** The example's addresses are those of this test; its process is nginx itself, so that `kill` ends it. */
async function prepareNginx(clone: string, here: (text: string) => string, shell: Shell): Promise<void> {
  const example = path.join(clone, "deploy/examples/nginx-quota.conf");
  const addresses = Object.fromEntries(
    ["127.0.0.1:4000", "127.0.0.1:8000", "127.0.0.1:8080"].map((address) => [address, here(address)]),
  );
  await rewrite(example, { ...addresses, ...PATIENT_NGINX });
  const { command, env } = await findNginx();
  const settings = Object.entries(env).map(([name, value]) => `${name}="${value}"`);
  const asRoot = process.getuid?.() === 0 ? `-g "user root;"` : "";
  await shell.run(`nginx() { exec env ${settings.join(" ")} "${command}" "$@" ${asRoot}; }`);
}

/** Go compiles for half a minute of CPU where nothing is cached: only long runs do. Its text is checked by docs.test.ts. */
const isWithoutProgram = ({ code }: Block): boolean =>
  (code.includes("go build") && !(isLong && hasProgram("go"))) ||
  (code.includes("receiver.py") && !hasProgram("python3"));

async function runBlock(shell: Shell, block: Block, here: (text: string) => string, page: string): Promise<void> {
  const { shown, line } = block;
  const code = here(block.code)
    .split("\n")
    .filter((one) => !(command(one) in NOT_RUN))
    .join("\n");
  const run = () => shell.run(code).catch(({ message }: Error) => expect.fail(`${page}:${line} failed: ${message}`));
  const asks = shown !== undefined && QUESTIONS.test(block.code);
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  await pause(MOMENT_MS);
  let said = await run();
  if (!REFUSED.test(shown?.code ?? "")) expect(said, `${page}:${line}`).not.toMatch(REFUSED);
  if (shown === undefined) return;
  const deadline = Date.now() + ANSWER_WITHIN_MS;
  while (asks && !isShown(shown, said) && Date.now() < deadline) {
    await pause(BEFORE_REPEATING_MS);
    said = await run();
  }
  expect(isShown(shown, said), `${page}:${shown.line} shows\n${shown.code}but it is\n${said}`).toBe(true);
}

/** npx takes longer than the command. README shows what a terminal shows; what is piped comes through a pipe. */
export const npxOf = (page: string): string => {
  const cli = `"${process.execPath}" ${nodeFlags.join(" ")} dist/cli/metrly.js`;
  const atTerminal = `npm_lifecycle_event=npx script --quiet --return --flush --command "stty cols 100; ${cli.replaceAll('"', "")} $*" /dev/null < /dev/null`;
  return page === "README.md"
    ? `npx() { shift; if [ "$1" = send ]; then npm_lifecycle_event=npx ${cli} "$@"; else ${atTerminal} | tr -d '\\r'; fi; }`
    : `npx() { shift; npm_lifecycle_event=npx ${cli} "$@"; }`;
};

/** A line of a block as listed in NOT_RUN: without its comment. */
export const command = (line: string): string => line.replace(/\s+#.*$/, "");

/** A minimal environment, without METRLY_ variables of the developer. */
export function readersEnvironment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !/^(METRLY_|NODE_OPTIONS$|VITEST|npm_)/.test(name));
  return Object.fromEntries(own);
}
