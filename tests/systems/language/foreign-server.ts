import { type LinkEnds, startTcpProxy } from "../../chaos/tcp-proxy.js";

/** What people would read in another language: no code and no word of the original is in it. */
export const FOREIGN = "Мысли по-другому";

export interface ForeignServer {
  /** The server's URL or address, through the proxy. */
  readonly url: string;
  /** How many texts were replaced. */
  replaced(): number;
  stop(): Promise<void>;
}

/** Turns the server's bytes into those of the same server in another language; `replaced` counts. */
type Translate = (chunk: Buffer) => Buffer;
type TranslatorOf = (
  onReplaced: () => void,
  ownPort: () => number,
  ports: ReadonlyMap<number, number>,
) => { toClient: Translate; fromClient?: Translate };

const TRANSLATORS = { postgres: () => postgres, redis: () => redis, kafka: () => kafka } as const;

/**
 * A server whose messages for people are in another language, while codes stay: what depends on the text fails. A locale would
 * prove nothing, because PostgreSQL's npm package has no message catalogues, and Redis and Kafka have no locales. `ports`: of
 * the nodes of a Redis Cluster, which it names, and what stands before each.
 */
export async function startForeign(
  kind: keyof typeof TRANSLATORS,
  url: string,
  ports: ReadonlyMap<number, number> = new Map(),
): Promise<ForeignServer> {
  let count = 0;
  let ownPort = 0;
  const through = new URL(kind === "kafka" ? `kafka://${url}` : url);
  const serverPort = Number(through.port);
  const translator: TranslatorOf = TRANSLATORS[kind]();
  const proxy = await startTcpProxy(
    () => serverPort,
    (ends: LinkEnds) => {
      const { toClient, fromClient = (bytes) => bytes } = translator(
        () => {
          count += 1;
        },
        () => ownPort,
        ports,
      );
      return {
        fromClient: (bytes) => ends.toServer(fromClient(bytes)),
        fromServer: (bytes) => ends.toClient(toClient(bytes)),
      };
    },
  );
  ownPort = proxy.port;
  through.port = String(proxy.port);
  return {
    url: kind === "kafka" ? through.host : through.toString(),
    replaced: () => count,
    stop: proxy.stop,
  };
}

/** The nodes of a Redis Cluster in another language: clients learn of no others. In the order of the URLs. */
export async function startForeignCluster(urls: readonly string[]): Promise<readonly ForeignServer[]> {
  const ports = new Map<number, number>();
  const nodes: ForeignServer[] = [];
  for (const url of urls) {
    const node = await startForeign("redis", url, ports);
    ports.set(Number(new URL(url).port), Number(new URL(node.url).port));
    nodes.push(node);
  }
  return nodes;
}

/** Calls `next` with what has arrived, until it takes no more: it returns the bytes taken and what becomes of them. */
function inPieces(next: (bytes: Buffer) => { readonly taken: number; readonly out: Buffer } | undefined): Translate {
  let pending: Buffer = Buffer.alloc(0);
  return (chunk) => {
    pending = Buffer.concat([pending, chunk]);
    const out: Buffer[] = [];
    for (let piece = next(pending); piece !== undefined; piece = next(pending)) {
      out.push(piece.out);
      pending = pending.subarray(piece.taken);
    }
    return Buffer.concat(out);
  };
}

/** ErrorResponse and NoticeResponse: the fields of text, and the localised severity; V and C are for programs. */
const postgres: TranslatorOf = (onReplaced) => ({
  toClient: inPieces((bytes) => {
    if (bytes.length < 5) return undefined;
    const taken = 1 + bytes.readInt32BE(1);
    if (bytes.length < taken) return undefined;
    const type = String.fromCharCode(bytes.readUInt8(0));
    if (type !== "E" && type !== "N") return { taken, out: bytes.subarray(0, taken) };
    onReplaced();
    const fields = bytes.toString("utf8", 5, taken).split("\0").filter(Boolean);
    const translated = fields.map((field) => (/^[SMDHW]/.test(field) ? `${field[0]}${FOREIGN}` : field));
    const body = Buffer.from(`${translated.join("\0")}\0\0`);
    const head = Buffer.alloc(5);
    head.write(type);
    head.writeInt32BE(4 + body.length, 1);
    return { taken, out: Buffer.concat([head, body]) };
  }),
});

/** Error replies: what follows the first word is for people, addresses of redirections too: the slot map has them. */
const redis: TranslatorOf = (onReplaced, _ownPort, ports) => ({
  toClient: inPieces((bytes) => {
    const end = bytes.indexOf("\r\n");
    if (end === -1) return undefined;
    const line = bytes.toString("utf8", 0, end);
    if (line.startsWith("$") && line !== "$-1") {
      const taken = end + 2 + Number(line.slice(1)) + 2;
      return bytes.length < taken ? undefined : { taken, out: bytes.subarray(0, taken) };
    }
    const port = line.startsWith(":") ? ports.get(Number(line.slice(1))) : undefined;
    if (port !== undefined) return { taken: end + 2, out: Buffer.from(`:${port}\r\n`) };
    if (!line.startsWith("-")) return { taken: end + 2, out: bytes.subarray(0, end + 2) };
    onReplaced();
    return { taken: end + 2, out: Buffer.from(`${line.split(" ", 1)[0]} ${FOREIGN}\r\n`) };
  }),
});

const METADATA = 3;
const FIND_COORDINATOR = 10;
const CREATE_TOPICS = 19;

/** `error_message` where the protocol has one; addresses of brokers are the proxy's (https://kafka.apache.org/protocol). */
const kafka: TranslatorOf = (onReplaced, ownPort) => {
  const asked = new Map<number, { readonly api: number; readonly version: number }>();
  const frames = (change: (frame: Buffer) => Buffer) =>
    inPieces((bytes) => {
      if (bytes.length < 4) return undefined;
      const taken = 4 + bytes.readInt32BE(0);
      return bytes.length < taken ? undefined : { taken, out: change(bytes.subarray(0, taken)) };
    });
  return {
    fromClient: frames((frame) => {
      asked.set(frame.readInt32BE(8), { api: frame.readInt16BE(4), version: frame.readInt16BE(6) });
      return frame;
    }),
    toClient: frames((frame) => {
      const { api, version } = asked.get(frame.readInt32BE(4)) ?? { api: -1, version: 0 };
      const out = rewriter(frame);
      if (api === METADATA) {
        if (version >= 3) out.skip(4);
        for (let n = out.int32(); n > 0; n -= 1) {
          out.skip(4);
          out.text();
          out.int32(ownPort());
          if (version >= 1) out.text();
        }
      } else if (api === FIND_COORDINATOR) {
        if (version >= 1) out.skip(4);
        out.skip(2);
        if (version >= 1) out.text(onReplaced);
        out.skip(4);
        out.text();
        out.int32(ownPort());
      } else if (api === CREATE_TOPICS) {
        if (version >= 2) out.skip(4);
        for (let n = out.int32(); n > 0; n -= 1) {
          out.text();
          out.skip(2);
          if (version >= 1) out.text(onReplaced);
        }
      }
      return out.done();
    }),
  };
};

/** Copies a response, part by part; what is not named is copied at the end. */
function rewriter(frame: Buffer) {
  const parts: Buffer[] = [];
  let at = 4;
  const copy = (bytes: number): Buffer => {
    const part = frame.subarray(at, at + bytes);
    parts.push(part);
    at += bytes;
    return part;
  };
  copy(4);
  return {
    skip: (bytes: number): void => void copy(bytes),
    int32(instead?: number): number {
      const value = copy(4).readInt32BE(0);
      if (instead !== undefined) {
        const changed = Buffer.alloc(4);
        changed.writeInt32BE(instead);
        parts.splice(-1, 1, changed);
      }
      return value;
    },
    /** A nullable string; with `onReplaced` a text for people. */
    text(onReplaced?: () => void): void {
      const length = copy(2).readInt16BE(0);
      if (length < 0) return;
      copy(length);
      if (onReplaced === undefined) return;
      onReplaced();
      const text = Buffer.from(FOREIGN);
      const size = Buffer.alloc(2);
      size.writeInt16BE(text.length);
      parts.splice(-2, 2, size, text);
    },
    done(): Buffer {
      copy(frame.length - at);
      const body = Buffer.concat(parts);
      const size = Buffer.alloc(4);
      size.writeInt32BE(body.length);
      return Buffer.concat([size, body]);
    },
  };
}
