import path from "node:path";
import { createIdentityTokens } from "#platform/auth/identity.js";
import { IDENTITY_HEADER } from "#platform/auth/internal-api.js";
import type { Identity } from "#schema/policy.js";
import { composeSupergraph } from "../../gateway/composition.js";
import { npmPeer, whenAvailable } from "../peers/install.js";
import type { Arena, Contestant, Figure } from "../suite/figure.js";
import { versionOf } from "../suite/versions.js";
import { type MeasuredServer, runMeasured, startProgram, startServer } from "../support/processes.js";
import type { AskResult } from "./ask.js";
import { buildOverview } from "./subgraphs.js";

const APOLLO = "@apollo/gateway";
const CONNECTIONS = 64;
const [REMOTE, LOCAL] = ["subgraphs over HTTP", "subgraphs in the gateway's process"];
const SECRET = "a secret of at least 32 characters";
const IDENTITY: Identity = { kind: "USER", id: "root", tenantId: null, roles: ["PLATFORM_ADMIN"], scopes: [] };

export const GATEWAY: Figure = {
  name: "gateway",
  title: "One query over four subgraphs",
  text: `A tenant with 4 quotas, 24 rows of usage and 5 invoices, from four subgraphs: one lookup, then three entity lookups at once. ${CONNECTIONS} connections ask
the same query. Over HTTP each subgraph is a process of its own, the same for all gateways. CPU is that of the gateway's process alone. The answers must be
equal. Metrly and @apollo/gateway are in the same HTTP server; Hive Gateway and Mercurius come with theirs, each in one process with
its defaults, Mercurius with its JIT compiler. Metrly checks the caller's session and signs identities for the subgraphs; the others send a
token that is given to them.`,
  columns: [
    { key: "perSecond", title: "answers/s", better: "more", digits: 0 },
    { key: "cpuUs", title: "gateway's CPU µs per answer", better: "less", digits: 0 },
    { key: "p99Ms", title: "p99, ms", better: "less", digits: 1 },
  ],
  base: APOLLO,
  minutes: 4,
  seconds: 3,
  async start() {
    const servers: MeasuredServer[] = [];
    const stop = async () => {
      for (const server of servers.splice(0).reverse()) await server.stop();
    };
    const started = async (starting: Promise<MeasuredServer>): Promise<MeasuredServer> => {
      const server = await starting;
      servers.push(server);
      return server;
    };
    try {
      return await startAll(started, stop);
    } catch (error) {
      await stop();
      throw error;
    }
  },
};

async function startAll(
  started: (starting: Promise<MeasuredServer>) => Promise<MeasuredServer>,
  stop: Arena["stop"],
): Promise<Arena> {
  const overview = buildOverview();
  const urls: Record<string, string> = {};
  for (const { name } of overview) {
    const { port } = await started(startServer("gateway/server-subgraphs", { name, secret: SECRET }));
    urls[name] = `http://127.0.0.1:${port}`;
  }
  const answers = new Set<string>();
  const inOurServer = async (kind: "apollo" | "metrly", isRemote: boolean) => {
    const options = { kind, secret: SECRET, urls: isRemote ? urls : {} };
    const server = await started(startServer("gateway/server-gateway", options));
    const [name, version] = kind === "apollo" ? [APOLLO, versionOf(APOLLO)] : ["Metrly", undefined];
    return contestantOf({ name, version, workload: isRemote ? REMOTE : LOCAL, server, answers });
  };
  const fromNpm = async (peer: "hive" | "mercurius", name: string, packageName: string) => {
    const folder = await npmPeer(peer);
    const server = await started(startProgram(path.join(folder, "server.mjs"), await peerOptions(urls)));
    return [contestantOf({ name, version: versionOf(packageName, folder), workload: REMOTE, server, answers })];
  };
  const peers = [
    await whenAvailable("Hive Gateway", () => fromNpm("hive", "Hive Gateway", "@graphql-hive/gateway")),
    await whenAvailable("Mercurius", () => fromNpm("mercurius", "Mercurius", "@mercuriusjs/gateway")),
  ];
  const contestants = [
    await inOurServer("apollo", true),
    await inOurServer("metrly", true),
    ...peers.flatMap((one) => one.contestants),
    await inOurServer("apollo", false),
    await inOurServer("metrly", false),
  ];
  return { contestants, missing: peers.flatMap(({ missing }) => missing), stop };
}

interface Gateway {
  readonly name: string;
  readonly version: string | undefined;
  readonly workload: string;
  readonly server: MeasuredServer;
  /** Of all gateways: there must be one. */
  readonly answers: Set<string>;
}

function contestantOf({ name, version, workload, server, answers }: Gateway): Contestant {
  const ask = async (seconds: number, warmup: number): Promise<AskResult> =>
    JSON.parse(await runMeasured("gateway/ask", [server.port, CONNECTIONS, seconds, warmup].map(String)));
  return {
    ...{ name, workload, kind: name === "Metrly" ? "metrly" : "peer", ...(version !== undefined && { version }) },
    async measure(seconds) {
      server.tell(JSON.stringify(await signedTokens()));
      await ask(seconds / 3, 0);
      const before = await server.usage();
      const { answers: count, p99, body } = await ask(seconds, 0);
      const after = await server.usage();
      answers.add(JSON.stringify(JSON.parse(body).data));
      if (answers.size > 1) throw new Error(`${name} answers otherwise:\n${[...answers].join("\n")}`);
      return { perSecond: count / seconds, cpuUs: ((after.cpuMs - before.cpuMs) * 1_000) / count, p99Ms: p99 };
    },
  };
}

const identityTokens = createIdentityTokens(SECRET);

/** By subgraph; valid for longer than a measurement. */
async function signedTokens(): Promise<Record<string, string>> {
  const names = buildOverview().map(({ name }) => name);
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await identityTokens.sign(IDENTITY, name)] as const)),
  );
}

/** What a peer must know: see `bench/peers/serve.mjs`. */
async function peerOptions(urls: Readonly<Record<string, string>>): Promise<Record<string, unknown>> {
  const overview = buildOverview();
  const { supergraphSdl } = composeSupergraph(overview);
  return {
    ...{ header: IDENTITY_HEADER, tokens: await signedTokens(), owner: "tenancy" },
    subgraphs: overview.map(({ name, sdl }) => ({ name, sdl, url: `${urls[name]}/graphql` })),
    supergraphSdl: overview.reduce(
      (sdl, { name }) => sdl.replace(`"http://${name}/graphql"`, `"${urls[name]}/graphql"`),
      supergraphSdl,
    ),
  };
}
