import { type Link, type LinkEnds, startTcpProxy, type TcpProxy } from "./tcp-proxy.js";

/**
 * A fault of one produce request. Lost on the way: the broker never receives it. Lost response: the broker has stored it and
 * nobody learns of it. If silent, the client waits for its own timeout; otherwise the connection breaks.
 */
export type ProduceFault = "request-lost" | "request-cut" | "response-lost" | "response-cut";
export const PRODUCE_FAULTS: readonly ProduceFault[] = ["request-lost", "request-cut", "response-lost", "response-cut"];

export interface KafkaProxy extends TcpProxy {
  /** Called for every produce request; undefined: no fault. */
  decide(decision: () => ProduceFault | undefined): void;
  /** Counts per fault. */
  readonly happened: Record<ProduceFault, number>;
}

const PRODUCE = 0;
const LENGTH_BYTES = 4;

/**
 * Understands just enough of Kafka's protocol to lose single requests and responses
 * (https://kafka.apache.org/protocol#protocol_messages): a frame is an int32 length and a body; a request's body begins with
 * int16 api key, int16 version, int32 correlation id, a response's with the correlation id.
 */
export async function startKafkaProxy(port: number, brokerPort: () => number): Promise<KafkaProxy> {
  let decision: () => ProduceFault | undefined = () => undefined;
  const happened = { "request-lost": 0, "request-cut": 0, "response-lost": 0, "response-cut": 0 };
  const chosen = () => {
    const fault = decision();
    if (fault !== undefined) happened[fault] += 1;
    return fault;
  };
  const proxy = await startTcpProxy(brokerPort, (ends) => kafkaLink(ends, chosen), port);
  return {
    ...proxy,
    happened,
    decide: (next) => {
      decision = next;
    },
  };
}

function kafkaLink(ends: LinkEnds, decide: () => ProduceFault | undefined): Link {
  /** Correlation id -> the fault of the response. */
  const doomed = new Map<number, ProduceFault>();
  return {
    fromClient: wholeFrames((frame) => {
      const { isProduce, correlationId } = frameOf(frame);
      const fault = isProduce ? decide() : undefined;
      if (fault === "request-lost") return;
      if (fault === "request-cut") return ends.cut();
      if (fault !== undefined) doomed.set(correlationId, fault);
      ends.toServer(frame);
    }),
    fromServer: wholeFrames((frame) => {
      const { answers } = frameOf(frame);
      const fault = doomed.get(answers);
      doomed.delete(answers);
      if (fault === "response-lost") return;
      if (fault === "response-cut") return ends.cut();
      ends.toClient(frame);
    }),
  };
}

/** The header of a whole frame, read as a request's and as an answer's. */
export function frameOf(frame: Buffer) {
  const at = LENGTH_BYTES;
  return {
    get apiKey(): number {
      return frame.readInt16BE(at);
    },
    get isProduce(): boolean {
      return this.apiKey === PRODUCE;
    },
    get correlationId(): number {
      return frame.readInt32BE(at + 4);
    },
    get clientId(): string {
      return frame.toString("utf8", at + 10, at + 10 + frame.readInt16BE(at + 8));
    },
    /** An answer's: of the request that it answers. */
    get answers(): number {
      return frame.readInt32BE(at);
    },
  };
}

/** Splits a byte stream into frames, including their lengths. */
export function wholeFrames(onFrame: (frame: Buffer) => void): (chunk: Buffer) => void {
  let pending: Buffer = Buffer.alloc(0);
  return (chunk) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    while (pending.length >= LENGTH_BYTES) {
      const end = LENGTH_BYTES + pending.readInt32BE(0);
      if (pending.length < end) return;
      const frame = pending.subarray(0, end);
      pending = pending.subarray(end);
      onFrame(frame);
    }
  };
}
