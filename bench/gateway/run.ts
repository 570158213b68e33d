import { parseArgs } from "node:util";
import { buildMeasured, type MeasuredServer, runMeasured, startServer } from "../support/processes.js";
import { medianOf, report, round } from "../support/report.js";
import type { AskResult } from "./ask.js";
import { buildOverview } from "./subgraphs.js";

/** One query over four subgraphs through Metrly's gateway and through @apollo/gateway. Needs no server. */
const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "6" },
    connections: { type: "string", default: "64" },
    "profile-dir": { type: "string" },
  },
});
const SECRET = "a secret of at least 32 characters";
const CONTESTANTS = [
  { name: "apollo over HTTP", kind: "apollo", isRemote: true },
  { name: "metrly over HTTP", kind: "metrly", isRemote: true },
  { name: "apollo in process", kind: "apollo", isRemote: false },
  { name: "metrly in process", kind: "metrly", isRemote: false },
] as const;

interface Measured {
  readonly perSecond: number;
  /** Of the gateway's process. */
  readonly perCpuSecond: number;
  readonly p99: number;
  readonly data: string;
}

await buildMeasured();
const subgraphs = new Map<string, MeasuredServer>();
for (const { name } of buildOverview())
  subgraphs.set(name, await startServer("gateway/server-subgraphs", { name, secret: SECRET }));
const urls = Object.fromEntries([...subgraphs].map(([name, { port }]) => [name, `http://127.0.0.1:${port}`]));

async function measure({ kind, isRemote }: (typeof CONTESTANTS)[number]): Promise<Measured> {
  const settings = { kind, secret: SECRET, urls: isRemote ? urls : {} };
  const profileDir = kind === "metrly" ? options["profile-dir"] : undefined;
  const server = await startServer("gateway/server-gateway", settings, profileDir);
  const ask = async (seconds: number): Promise<AskResult> =>
    JSON.parse(
      await runMeasured(
        "gateway/ask",
        [server.port, options.connections, seconds, 0].map((value) => String(value)),
      ),
    );
  await ask(3);
  const before = await server.usage();
  const { answers, p99, body } = await ask(Number(options.seconds));
  const after = await server.usage();
  await server.stop();
  const perCpuSecond = answers / ((after.cpuMs - before.cpuMs) / 1_000);
  return {
    perSecond: answers / Number(options.seconds),
    perCpuSecond,
    p99,
    data: JSON.stringify(JSON.parse(body).data),
  };
}

const rounds = new Map<string, Measured[]>(CONTESTANTS.map(({ name }) => [name, []]));
for (let round = 0; round < Number(options.rounds); round += 1)
  for (const contestant of CONTESTANTS) rounds.get(contestant.name)?.push(await measure(contestant));
for (const server of subgraphs.values()) await server.stop();

const answers = new Set([...rounds.values()].flat().map(({ data }) => data));
if (answers.size !== 1) throw new Error(`the answers differ:\n${[...answers].join("\n")}`);
const median = (name: string, of: (measured: Measured) => number) => medianOf((rounds.get(name) ?? []).map(of));
const base = CONTESTANTS[0].name;
for (const { name } of CONTESTANTS) {
  const [perSecond, perCpuSecond] = [median(name, (one) => one.perSecond), median(name, (one) => one.perCpuSecond)];
  report(name, {
    ...{
      perSecond: round(perSecond),
      perCpuSecond: round(perCpuSecond),
      p99: round(
        median(name, (one) => one.p99),
        1,
      ),
    },
    times: round(perSecond / median(base, (one) => one.perSecond), 2),
    timesPerCpuSecond: round(perCpuSecond / median(base, (one) => one.perCpuSecond), 2),
  });
}
