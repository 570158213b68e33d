import { type ISocketFactory, Kafka, type KafkaConfig, type LogEntry, logLevel, type SASLOptions } from "kafkajs";
import SaslAuthenticator from "kafkajs/src/broker/saslAuthenticator/index.js";
import { KafkaJSConnectionError } from "kafkajs/src/errors.js";
import createSocketFactory from "kafkajs/src/network/socketFactory.js";
import type { Logger } from "pino";
import { messageOf } from "#kernel/errors.js";
import { awakeSignal } from "#platform/lifecycle/time.js";

/** How to reach the brokers; without it, in the clear and without credentials. */
export interface KafkaAccess {
  readonly tls: boolean;
  readonly sasl:
    | {
        readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
        readonly username: string;
        readonly password: string;
      }
    | undefined;
}

export interface KafkaConnection {
  readonly brokers: readonly string[];
  readonly access?: KafkaAccess;
  readonly clientId: string;
  readonly logger?: Logger | undefined;
}

/** Short timeouts: an append must fail within seconds, and our own retries take over. */
export const TIMEOUTS = {
  requestTimeout: 2_000,
  retry: { retries: 3, initialRetryTime: 50, maxRetryTime: 500 },
} as const;

const authenticate = SaslAuthenticator.prototype.authenticate;
/** What brokers say of wrong credentials, in kafkajs' words; all else is a lost answer or connection. */
const REFUSED = /: Authentication failed|not supported by the server/;
/**
 * kafkajs keeps a connection whose authentication got no answer in time, and begins it anew on that connection for ever, which the
 * broker refuses (ILLEGAL_SASL_STATE); and it takes the lost answer for wrong credentials, which it does not try again.
 */
SaslAuthenticator.prototype.authenticate = async function (): Promise<void> {
  try {
    await authenticate.call(this);
  } catch (error) {
    await this.connection.disconnect();
    throw REFUSED.test(messageOf(error)) ? error : new KafkaJSConnectionError(messageOf(error));
  }
};

const CONNECT_WITHIN_MS = 1_000;
const openSocket = createSocketFactory();

/** kafkajs gives up a connection by the clock, also one that is made while this process stands still: `connect` does so instead. */
export const CONNECTING = {
  connectionTimeout: 60_000,
  socketFactory: connect,
} as const;

function connect(options: Parameters<ISocketFactory>[0]): ReturnType<ISocketFactory> {
  let isMade = false;
  const onConnect = () => {
    isMade = true;
    options.onConnect();
  };
  const socket = openSocket({ ...options, onConnect });
  awakeSignal(CONNECT_WITHIN_MS).addEventListener("abort", () => {
    if (!isMade) socket.destroy(new Error("the connection took too long"));
  });
  return socket;
}

/** The access in kafkajs' terms. Each mechanism is a type of its own there. */
export function accessOptions({ access }: KafkaConnection): Pick<KafkaConfig, "ssl" | "sasl"> {
  const { tls = false, sasl } = access ?? {};
  return { ssl: tls, ...(sasl !== undefined && { sasl: { ...sasl } as SASLOptions }) };
}

export function createKafka(connection: KafkaConnection, timeouts: Partial<KafkaConfig> = TIMEOUTS): Kafka {
  const { logger } = connection;
  return new Kafka({
    ...timeouts,
    ...CONNECTING,
    ...accessOptions(connection),
    brokers: [...connection.brokers],
    clientId: connection.clientId,
    enforceRequestTimeout: true,
    logLevel: logger === undefined ? logLevel.NOTHING : logLevel.WARN,
    logCreator: () => (entry) => passOn(entry, logger),
  });
}

/** kafkajs logs each failed attempt as an error; real failures are thrown, so its logs are warnings at most. */
function passOn({ level, namespace, log }: LogEntry, logger: Logger | undefined): void {
  const { message, timestamp: _, logger: __, stack: ___, ...details } = log;
  if (level <= logLevel.WARN) logger?.warn({ ...details, namespace }, `kafkajs: ${message}`);
  else logger?.debug({ ...details, namespace }, `kafkajs: ${message}`);
}

/** Runs `work` for the first caller; after a failure the next caller retries. */
export function once(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () => {
    running ??= work().catch((error: unknown) => {
      running = undefined;
      throw error;
    });
    return running;
  };
}

/** The protocol's error name, e.g. `MESSAGE_TOO_LARGE`, from any kafkajs wrapper. */
export function protocolErrorOf(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause)
    if ("type" in at && typeof at.type === "string") return at.type;
  return undefined;
}
