import { frameOf, wholeFrames } from "../chaos/kafka-proxy.js";
import { type Link, type LinkEnds, startTcpProxy, type TcpProxy } from "../chaos/tcp-proxy.js";
import type { KafkaPlace, PrivateKafka, PrivatePostgres } from "../servers/private-servers.js";
import { freePort } from "../servers/servers.js";
import type { Network } from "../systems/compose/start.js";

/** Which connections: from this process to that one. Undefined: any. */
export interface Hop {
  readonly from?: string;
  readonly to?: string;
}

/** Bytes that show that some work is under way. */
export interface Trigger extends Hop {
  readonly what: string;
  /** Bytes of the client, or of the server. */
  readonly direction: Direction;
  matches(bytes: Buffer): boolean;
}

/** Requests go to the server, answers come from it. */
export type Direction = "request" | "answer";

/** What becomes of the bytes that a trigger has found. `lost`: they and their connection. */
export type Fate = "pass" | "lost" | LosesAnswer;

/** They arrive, and the connection breaks instead of an answer. */
export interface LosesAnswer {
  /** Bytes of the same connection, these or later ones, whose answer it is: a COMMIT after them. Absent: these. */
  readonly answerTo?: (bytes: Buffer) => boolean;
  /** Called when the answer is lost. */
  lost(): void;
}

/** Every connection between the processes of one system passes through it. */
export interface FaultyNetwork extends Network {
  /** With the first matching bytes from now on: decides what becomes of them. They wait for nothing. */
  once(trigger: Trigger, strike: () => Fate): Promise<void>;
  /** Breaks the connections. */
  cut(hop: Hop): void;
  /** Holds the bytes of one direction, as a network does that loses each repetition; the function delivers what it held. */
  hold(hop: Hop, direction: Direction): () => void;
  /** Answers requests itself that would pass, and passes none of these on: those for which there is an answer. The function ends it. */
  answer(hop: Hop, answerTo: (request: Buffer) => Buffer | undefined): () => void;
  stop(): Promise<void>;
}

interface Answering {
  readonly hop: Hop;
  answerTo(request: Buffer): Buffer | undefined;
}

interface Connection {
  /** Undefined until its first bytes name the client. */
  from: string | undefined;
  readonly to: string;
  readonly ends: LinkEnds;
  readonly held: Record<Direction, Buffer[]>;
  losesAnswer: LosesAnswer | undefined;
  /** The next answer is the one to lose; of Kafka the one with this correlation id. */
  lostAnswer: number | true | undefined;
}

const NOTHING_LOST = { losesAnswer: undefined, lostAnswer: undefined };

const covers = (hop: Hop, { from, to }: Pick<Connection, "from" | "to">): boolean =>
  (hop.from === undefined || hop.from === from) && (hop.to === undefined || hop.to === to);

export async function createFaultyNetwork(place: KafkaPlace = {}): Promise<FaultyNetwork> {
  const proxies = new Map<string, TcpProxy>();
  const connections = new Set<Connection>();
  const holds = new Set<{ readonly hop: Hop; readonly direction: Direction }>();
  const answering = new Set<Answering>();
  let armed: { readonly trigger: Trigger; strike(): Fate } | undefined;
  let kafka: PrivateKafka | undefined;
  let postgres: PrivatePostgres | undefined;

  const isHeld = (connection: Connection, direction: Direction): boolean =>
    connection.held[direction].length > 0 ||
    [...holds].some((hold) => hold.direction === direction && covers(hold.hop, connection));

  function pass(connection: Connection, direction: Direction, bytes: Buffer): void {
    if (isHeld(connection, direction)) connection.held[direction].push(bytes);
    else if (direction === "request") connection.ends.toServer(bytes);
    else connection.ends.toClient(bytes);
  }

  function fateOf(connection: Connection, direction: Direction, bytes: Buffer): Fate {
    if (armed === undefined || armed.trigger.direction !== direction) return "pass";
    if (!covers(armed.trigger, connection) || !armed.trigger.matches(bytes)) return "pass";
    const { strike } = armed;
    armed = undefined;
    return strike();
  }

  function answerInstead(connection: Connection, request: Buffer): Buffer | undefined {
    for (const { hop, answerTo } of answering) {
      const answer = covers(hop, connection) ? answerTo(request) : undefined;
      if (answer !== undefined) return answer;
    }
    return undefined;
  }

  function connect(ends: LinkEnds, from: string | undefined, to: string): Link {
    const connection: Connection = { from, to, ends, held: { request: [], answer: [] }, ...NOTHING_LOST };
    connections.add(connection);
    const isKafka = to === "kafka";
    function fromClient(bytes: Buffer): void {
      if (isKafka) connection.from ??= frameOf(bytes).clientId.replace(/^metrly-/, "");
      const fate = fateOf(connection, "request", bytes);
      if (typeof fate === "object") connection.losesAnswer = fate;
      if (connection.losesAnswer?.answerTo?.(bytes) ?? typeof fate === "object")
        connection.lostAnswer = isKafka ? frameOf(bytes).correlationId : true;
      const answer = answerInstead(connection, bytes);
      if (fate === "lost") ends.cut();
      else if (answer === undefined) pass(connection, "request", bytes);
      else pass(connection, "answer", answer);
    }
    function fromServer(bytes: Buffer): void {
      const { lostAnswer, losesAnswer } = connection;
      const isLost = lostAnswer === true || (isKafka && lostAnswer === frameOf(bytes).answers);
      if (isLost) losesAnswer?.lost();
      if (isLost || fateOf(connection, "answer", bytes) !== "pass") ends.cut();
      else pass(connection, "answer", bytes);
    }
    return {
      fromClient: isKafka ? wholeFrames(fromClient) : fromClient,
      fromServer: isKafka ? wholeFrames(fromServer) : fromServer,
      closed: () => connections.delete(connection),
    };
  }

  async function link(from: string | undefined, to: string, port: () => number, at?: number): Promise<number> {
    const name = `${from} ${to}`;
    const proxy = proxies.get(name) ?? (await startTcpProxy(port, (ends) => connect(ends, from, to), at));
    proxies.set(name, proxy);
    return proxy.port;
  }

  const kafkaPort = await freePort();
  await link(undefined, "kafka", () => kafka?.port ?? 0, kafkaPort);
  return {
    kafkaPlace: { ...place, advertisedPort: kafkaPort },
    kafkaStarted: (started) => {
      kafka = started;
    },
    postgresStarted: (started) => {
      postgres = started;
    },
    async addressesOf(from, addresses) {
      const through = [...addresses].map(async ([name, address]) => {
        const [host = ""] = name.split(":");
        const fixed = Number(address.split(":")[1]);
        if (host === "kafka") return [name, address] as const;
        const port = host.endsWith("-db")
          ? await link(from, "postgres", () => Number(new URL(postgres?.url() ?? "").port))
          : await link(from, host, () => fixed);
        return [name, `127.0.0.1:${port}`] as const;
      });
      return new Map(await Promise.all(through));
    },
    once: (trigger, strike) =>
      new Promise((resolve) => {
        armed = {
          trigger,
          strike: () => {
            resolve();
            return strike();
          },
        };
      }),
    cut(hop) {
      for (const connection of [...connections]) if (covers(hop, connection)) connection.ends.cut();
    },
    hold(hop, direction) {
      const hold = { hop, direction };
      holds.add(hold);
      return () => {
        holds.delete(hold);
        for (const connection of connections) {
          if (!covers(hop, connection)) continue;
          for (const bytes of connection.held[direction].splice(0)) pass(connection, direction, bytes);
        }
      };
    },
    answer(hop, answerTo) {
      const one = { hop, answerTo };
      answering.add(one);
      return () => void answering.delete(one);
    },
    async stop() {
      for (const proxy of proxies.values()) await proxy.stop();
    },
  };
}
