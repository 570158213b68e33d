import { type Link, type LinkEnds, startTcpProxy, type TcpProxy } from "./tcp-proxy.js";

/**
 * A fault of one COMMIT: the connection breaks before the server receives it, or after it took effect but before the response.
 */
export type CommitFault = "commit-lost" | "answer-lost";
export const COMMIT_FAULTS: readonly CommitFault[] = ["commit-lost", "answer-lost"];

export interface PostgresProxy extends TcpProxy {
  /** Called for every COMMIT; undefined: no fault. */
  decide(decision: () => CommitFault | undefined): void;
  readonly happened: Record<CommitFault, number>;
}

/** The simple query of the client: `Q`, int32 length, text, NUL. */
const COMMIT = Buffer.from("COMMIT\0");

/** Breaks connections at the worst moment of a transaction: around its COMMIT. */
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
