import { type Link, type LinkEnds, startTcpProxy, type TcpProxy } from "./tcp-proxy.js";

/** What happens to one COMMIT: the connection breaks before the server sees it, or after it was done and nobody hears of it. */
export type CommitFault = "commit-lost" | "answer-lost";
export const COMMIT_FAULTS: readonly CommitFault[] = ["commit-lost", "answer-lost"];

export interface PostgresProxy extends TcpProxy {
  /** Asked for every COMMIT; undefined: nothing happens to it. */
  decide(decision: () => CommitFault | undefined): void;
  readonly happened: Record<CommitFault, number>;
}

/** The simple query that the client sends: `Q`, int32 length, text, NUL. */
const COMMIT = Buffer.from("COMMIT\0");

/** Breaks connections in the middle of transactions, where it hurts most: around their COMMIT. */
export async function startPostgresProxy(serverPort: () => number): Promise<PostgresProxy> {
  let decision: () => CommitFault | undefined = () => undefined;
  const happened = { "commit-lost": 0, "answer-lost": 0 };
  const chosen = () => {
    const fault = decision();
    if (fault !== undefined) happened[fault] += 1;
    return fault;
  };
  const proxy = await startTcpProxy(serverPort, (ends) => postgresLink(ends, chosen));
  return {
    ...proxy,
    happened,
    decide: (next) => {
      decision = next;
    },
  };
}

function postgresLink(ends: LinkEnds, decide: () => CommitFault | undefined): Link {
  let isDoomed = false;
  return {
    fromClient(chunk) {
      const fault = chunk.includes(COMMIT) ? decide() : undefined;
      if (fault === "commit-lost") return ends.cut();
      if (fault === "answer-lost") isDoomed = true;
      ends.toServer(chunk);
    },
    fromServer(chunk) {
      if (isDoomed) ends.cut();
      else ends.toClient(chunk);
    },
  };
}
