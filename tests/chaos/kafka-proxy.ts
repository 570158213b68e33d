import { type Link, type LinkEnds, startTcpProxy, type TcpProxy } from "./tcp-proxy.js";

/**
 * What happens to one produce request. Lost on the way there: the broker never sees it. Lost on the way back: the broker has
 * stored it and nobody hears of it. In silence the client waits until its own timeout; otherwise the connection breaks.
 */
export type ProduceFault = "request-lost" | "request-cut" | "response-lost" | "response-cut";
export const PRODUCE_FAULTS: readonly ProduceFault[] = ["request-lost", "request-cut", "response-lost", "response-cut"];

export interface KafkaProxy extends TcpProxy {
  /** Asked for every produce request; undefined: nothing happens to it. */
  decide(decision: () => ProduceFault | undefined): void;
  /** How often each fault happened. */
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
  /** Correlation id -> what shall happen to the response. */
  const doomed = new Map<number, ProduceFault>();
  return {
    fromClient: wholeFrames((frame) => {
      const fault = frame.readInt16BE(LENGTH_BYTES) === PRODUCE ? decide() : undefined;
      if (fault === "request-lost") return;
      if (fault === "request-cut") return ends.cut();
      if (fault !== undefined) doomed.set(frame.readInt32BE(LENGTH_BYTES + 4), fault);
      ends.toServer(frame);
    }),
    fromServer: wholeFrames((frame) => {
      const fault = doomed.get(frame.readInt32BE(LENGTH_BYTES));
      doomed.delete(frame.readInt32BE(LENGTH_BYTES));
      if (fault === "response-lost") return;
      if (fault === "response-cut") return ends.cut();
      ends.toClient(frame);
    }),
  };
}

/** Cuts a stream of bytes into whole frames, their lengths included. */
function wholeFrames(onFrame: (frame: Buffer) => void): (chunk: Buffer) => void {
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
