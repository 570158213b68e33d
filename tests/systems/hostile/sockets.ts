import { connect, type Socket } from "node:net";
import fc from "fast-check";
import { CloseCode } from "graphql-ws";
import { anyJson, anyText, nearly } from "./arbitraries.js";
import type { Operation } from "./operations.js";

/** What a server sent on a WebSocket, and how it ended. */
export interface Conversation {
  readonly status: string;
  readonly messages: readonly string[];
  /** The code and reason of its close frame; undefined: it sent none. */
  readonly close: { readonly code: number; readonly reason: string } | undefined;
}

const UPGRADE =
  "GET /graphql HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n" +
  "sec-websocket-protocol: graphql-transport-ws\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const [TEXT, CLOSE] = [1, 8];
const QUIET_MS = 50;
const LAST = frame(CLOSE, Buffer.from([0x03, 0xe8]));

/** What a client writes. */
export interface Script {
  /** What follows waits for its answer: an operation before `connection_ack` ends the socket. */
  readonly greeting?: Buffer | undefined;
  readonly frames: readonly Buffer[];
  /** Ids of operations among the frames that must be answered before what is written last. */
  readonly awaited?: readonly string[];
  readonly last?: readonly Buffer[];
}

/**
 * Opens a WebSocket, writes a script and a close, and reads until the server ends the connection. Again, where a machine that stopped for
 * seconds let the server's time for a greeting pass.
 */
export async function converse(port: number, script: Script): Promise<Conversation> {
  for (let left = 10; ; left -= 1) {
    const heard = await converseOnce(port, script);
    if (heard.close?.code !== CloseCode.ConnectionInitialisationTimeout || left === 0) return heard;
  }
}

async function converseOnce(port: number, { greeting, frames, awaited = [], last }: Script): Promise<Conversation> {
  const { socket, until } = open(port);
  if (greeting !== undefined) {
    socket.write(greeting);
    await until(({ messages }) => messages.length > 0);
  }
  for (const one of frames) socket.write(one);
  await until(({ messages }) => {
    const answered = new Set(messages.map((text) => JSON.parse(text).id));
    return awaited.every((id) => answered.has(id));
  });
  for (const one of last ?? []) socket.write(one);
  // Operations end when their socket does: most are answered by then.
  socket.setTimeout(QUIET_MS).once("timeout", () => socket.write(LAST));
  const heard = await until(() => false);
  socket.destroy();
  return heard;
}

/** A client that reads nothing. Its socket stays open until `close`. */
export interface Unread {
  /** Whether something came after the answer to its greeting, or the server ended the connection. */
  hasAnswer(): boolean;
  close(): void;
}

/** Opens a WebSocket, waits for the answer to its greeting, writes its frames and reads nothing more. */
export async function converseUnread(
  port: number,
  { greeting, frames }: Pick<Operations, "greeting" | "frames">,
): Promise<Unread> {
  const { socket, until } = open(port);
  socket.write(greeting);
  const { messages, close } = await until((heard) => heard.messages.length > 0);
  if (close?.code === CloseCode.ConnectionInitialisationTimeout) return converseUnread(port, { greeting, frames });
  if (messages.length === 0) throw new Error(`the server ended the connection: ${close?.code} ${close?.reason}`);
  socket.pause();
  const before = socket.bytesRead;
  for (const one of frames) socket.write(one);
  return {
    hasAnswer: () => socket.destroyed || socket.bytesRead > before,
    close: () => socket.destroy(),
  };
}

type Operations = Required<Pick<Script, "greeting" | "frames" | "awaited">> & { readonly greeting: Buffer };

/** Authenticates, and starts an operation so many times. */
export function subscribing(token: string, query: string, count = 1): Operations {
  const awaited = Array.from({ length: count }, (_, n) => `${n}`);
  const subscribe = (id: string) => JSON.stringify({ id, type: "subscribe", payload: { query } });
  return { greeting: greetingOf(token), frames: awaited.map((id) => messageOf(subscribe(id))), awaited };
}

const greetingOf = (token: string): Buffer =>
  messageOf(JSON.stringify({ type: "connection_init", payload: { authorization: `Bearer ${token}` } }));

interface Opened {
  readonly socket: Socket;
  /** Resolves with what was received once this holds of it, or the server has closed. */
  until(holds: (heard: Conversation) => boolean): Promise<Conversation>;
}

function open(port: number): Opened {
  const socket = connect({ port, host: "127.0.0.1" });
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => chunks.push(chunk)).on("error", () => undefined);
  socket.write(UPGRADE);
  return {
    socket,
    until: (holds) =>
      new Promise((resolve) => {
        const look = () => {
          const heard = readAll(Buffer.concat(chunks));
          if (!socket.destroyed && heard.close === undefined && !holds(heard)) return;
          socket.off("data", look).off("close", look);
          resolve(heard);
        };
        socket.on("data", look).on("close", look);
        look();
      }),
  };
}

function readAll(bytes: Buffer): Conversation {
  const end = bytes.indexOf("\r\n\r\n");
  const status = bytes.subarray(0, Math.max(0, bytes.indexOf("\r\n"))).toString("latin1");
  const messages: string[] = [];
  for (let at = end + 4; end >= 0 && at + 2 <= bytes.length; ) {
    const opcode = (bytes[at] ?? 0) & 0x0f;
    const short = (bytes[at + 1] ?? 0) & 0x7f;
    const wide = short === 126 ? 2 : short === 127 ? 8 : 0;
    if (at + 2 + wide > bytes.length) break;
    const length = wide === 2 ? bytes.readUInt16BE(at + 2) : wide === 8 ? Number(bytes.readBigUInt64BE(at + 2)) : short;
    if (at + 2 + wide + length > bytes.length) break;
    const payload = bytes.subarray(at + 2 + wide, at + 2 + wide + length);
    if (opcode === CLOSE)
      return {
        status,
        messages,
        close: { code: length < 2 ? 1005 : payload.readUInt16BE(0), reason: payload.subarray(2).toString() },
      };
    if (opcode === TEXT) messages.push(payload.toString("utf8"));
    at += 2 + wide + length;
  }
  return { status, messages, close: undefined };
}

interface FrameOptions {
  /** Whether further frames of the message follow. */
  readonly isOpen?: boolean;
  readonly reserved?: number;
  readonly isUnmasked?: boolean;
}

function frame(
  opcode: number,
  payload: Buffer,
  { isOpen = false, reserved = 0, isUnmasked = false }: FrameOptions = {},
) {
  const first = (isOpen ? 0 : 0x80) | (reserved << 4) | opcode;
  const head = Buffer.alloc(payload.length < 126 ? 2 : payload.length < 65_536 ? 4 : 10);
  head[0] = first;
  const mask = isUnmasked ? 0 : 0x80;
  if (head.length === 2) head[1] = mask | payload.length;
  else if (head.length === 4) {
    head[1] = mask | 126;
    head.writeUInt16BE(payload.length, 2);
  } else {
    head[1] = mask | 127;
    head.writeBigUInt64BE(BigInt(payload.length), 2);
  }
  // Masked with zeros.
  return Buffer.concat([head, Buffer.alloc(isUnmasked ? 0 : 4), payload]);
}

/** A message in one frame. */
export const messageOf = (text: string): Buffer => frame(TEXT, Buffer.from(text));

const id = fc.oneof(fc.constantFrom("1", "1", "2", "", "i".repeat(256), "i".repeat(257), "i".repeat(70_000)), anyText);

/** A message of graphql-transport-ws, well-formed in most members; `1` is an id of many. */
function nearlyMessage(token: string, operation: fc.Arbitrary<Operation>): fc.Arbitrary<string | Buffer> {
  const init = { type: "connection_init", payload: { authorization: `Bearer ${token}` } };
  const subscribe = nearly({ id, type: fc.constant("subscribe"), payload: fc.oneof(operation, anyJson) });
  const others = ["complete", "ping", "pong", "connection_ack", "next", "error", "connection_init", "toString"];
  const other = nearly({ id, type: fc.constantFrom(...others), payload: anyJson });
  const json = fc.oneof(
    { weight: 2, arbitrary: fc.constant<unknown>(init) },
    { weight: 5, arbitrary: subscribe },
    { weight: 3, arbitrary: other },
    { weight: 1, arbitrary: anyJson },
  );
  const noUtf8 = fc.constantFrom("7b22ff227d", "eda080", "c080", "").map((hex) => Buffer.from(hex, "hex"));
  return fc.oneof(
    { weight: 12, arbitrary: json.map((value) => JSON.stringify(value) ?? "") },
    { weight: 1, arbitrary: fc.oneof(noUtf8, anyText) },
  );
}

/** A message in frames: mostly in one text frame; also in parts, as another kind, or against RFC 6455. */
const inFrames = (payload: Buffer): fc.Arbitrary<readonly Buffer[]> =>
  fc.oneof(
    { weight: 12, arbitrary: fc.constant([frame(TEXT, payload)]) },
    {
      weight: 3,
      arbitrary: fc.nat(payload.length).map((at) => [
        frame(TEXT, payload.subarray(0, at), { isOpen: true }),
        // A ping may stand between the parts.
        frame(9, Buffer.from("x")),
        frame(0, payload.subarray(at)),
      ]),
    },
    { weight: 1, arbitrary: fc.constantFrom(0, 2, 3, 9, 10, 11).map((opcode) => [frame(opcode, payload)]) },
    { weight: 1, arbitrary: fc.constantFrom(1, 2, 4).map((reserved) => [frame(TEXT, payload, { reserved })]) },
    { weight: 1, arbitrary: fc.constant([frame(TEXT, payload, { isUnmasked: true })]) },
    {
      weight: 1,
      arbitrary: fc
        .constantFrom("", "03", "0000", "03ed", "ffff", "03e8ff")
        .map((hex) => [frame(CLOSE, Buffer.from(hex, "hex"))]),
    },
  );

/** A conversation that mostly begins as the protocol says, with operations. What breaks the protocol ends the socket, so it comes last. */
export function anyConversation(token: string, operation: fc.Arbitrary<Operation>): fc.Arbitrary<Script> {
  const greeting = fc.option(fc.constant(greetingOf(token)), { freq: 6, nil: undefined });
  const subscribe = fc.record({ id, type: fc.constant("subscribe"), payload: operation });
  const started = fc.uniqueArray(subscribe, { maxLength: 2, selector: (message) => message.id });
  const broken = nearlyMessage(token, operation).chain((one) => inFrames(Buffer.from(one)));
  return fc.tuple(greeting, started, fc.array(broken, { maxLength: 3 })).map(([first, good, bad]) => ({
    ...{ greeting: first, frames: good.map((message) => messageOf(JSON.stringify(message))), last: bad.flat() },
    // A subscription may have nothing to say.
    awaited: good.filter(({ payload }) => !payload.query.startsWith("subscription")).map((message) => message.id),
  }));
}
