import { startTcpProxy } from "../../chaos/tcp-proxy.js";

/** A server behind a proxy that keeps its answers until they are told to pass. */
export interface HeldAnswers {
  readonly url: string;
  /** Lets the oldest answer pass that is there, if any. */
  passOne(): void;
  /** Lets all pass until `close`. */
  open(): void;
  close(): void;
  /** Answers that passed, so far. */
  passed(): number;
  stop(): Promise<void>;
}

/** A client's connection has one request at a time, so that an answer begins with a chunk of its own. */
const BEGINNING = Buffer.from("HTTP/1.1 ");

interface Connection {
  held: Buffer[];
  /** Whether the rest of its answer passes. */
  isPassing: boolean;
  readonly toClient: (bytes: Buffer) => void;
}

/** Closed at first. */
export async function holdAnswers(serverUrl: string): Promise<HeldAnswers> {
  const connections = new Set<Connection>();
  let [isOpen, passed] = [false, 0];
  const proxy = await startTcpProxy(
    () => Number(new URL(serverUrl).port),
    ({ toServer, toClient }) => {
      const connection: Connection = { held: [], isPassing: false, toClient };
      connections.add(connection);
      return {
        fromClient: toServer,
        fromServer(chunk) {
          if (chunk.subarray(0, BEGINNING.length).equals(BEGINNING)) connection.isPassing = false;
          if (connection.isPassing) return toClient(chunk);
          connection.held.push(chunk);
          if (isOpen) pass(connection);
        },
        closed: () => connections.delete(connection),
      };
    },
  );

  function pass(connection: Connection): void {
    for (const chunk of connection.held.splice(0)) connection.toClient(chunk);
    connection.isPassing = true;
    passed += 1;
    // Behind those that still wait.
    connections.delete(connection);
    connections.add(connection);
  }

  const waiting = () => [...connections].filter(({ held }) => held.length > 0);
  return {
    url: `http://127.0.0.1:${proxy.port}`,
    passOne() {
      const [first] = waiting();
      if (first !== undefined) pass(first);
    },
    open() {
      isOpen = true;
      for (const connection of waiting()) pass(connection);
    },
    close() {
      isOpen = false;
    },
    passed: () => passed,
    stop: () => proxy.stop(),
  };
}
