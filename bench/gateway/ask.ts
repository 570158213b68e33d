import net from "node:net";
import { QUERY } from "./subgraphs.js";

// Repeats one query over raw sockets, one at a time per connection. Prints one line of JSON.
const [port, connections, seconds, warmup] = process.argv.slice(2).map(Number);
if (port === undefined || connections === undefined || seconds === undefined || warmup === undefined)
  throw new Error("port, connections, seconds, warmup");

export interface AskResult {
  /** After the warm-up. */
  readonly answers: number;
  readonly p50: number;
  readonly p99: number;
  /** The first response's body: both sides must be equal. */
  readonly body: string;
}

const body = JSON.stringify({ query: QUERY, variables: { id: "acme" } });
const request = Buffer.from(
  `POST /graphql HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nauthorization: Bearer none\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
);
const beginAt = performance.now() + warmup * 1_000;
const endAt = beginAt + seconds * 1_000;
const latencies: number[] = [];
let first = "";

await Promise.all(Array.from({ length: connections }, connection));
const sorted = Float64Array.from(latencies).sort();
const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
const result: AskResult = { answers: sorted.length, p50: at(0.5), p99: at(0.99), body: first };
console.log(JSON.stringify(result));

function connection(): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: "127.0.0.1", port: port ?? 0, noDelay: true });
    let received = "";
    let sentAt = 0;
    const send = () => {
      sentAt = performance.now();
      if (sentAt >= endAt) {
        socket.destroy();
        return resolve();
      }
      received = "";
      socket.write(request);
    };
    socket.setEncoding("latin1");
    socket.once("connect", send);
    socket.once("error", reject);
    socket.on("data", (text: string) => {
      received += text;
      const head = received.indexOf("\r\n\r\n");
      if (head === -1) return;
      const length = Number(/content-length: (\d+)/i.exec(received.slice(0, head))?.[1]);
      if (received.length < head + 4 + length) return;
      if (!received.startsWith("HTTP/1.1 200")) reject(new Error(received.slice(0, 500)));
      const now = performance.now();
      if (sentAt >= beginAt) latencies.push(now - sentAt);
      first ||= received.slice(head + 4);
      send();
    });
  });
}
