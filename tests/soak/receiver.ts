import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { History } from "../oracle/history.js";

/** One server for the webhooks of all tenants; each hears its own. */
export interface Receiver {
  hear(name: string, history: History): Heard;
  /** Deliveries that arrived. */
  count(): number;
  stop(): Promise<void>;
}

export interface Heard {
  /** A new URL; what arrives there is kept once its endpoint is known. */
  place(): { readonly url: string; is(endpointId: string): void };
  /** The ids of invoices, and `alert` with the sequence numbers of alerts. */
  readonly names: Set<string>;
  /** Keeps nothing any more. */
  stop(): void;
}

export async function startReceiver(): Promise<Receiver> {
  const places = new Map<string, (id: string, body: Delivered) => void>();
  let count = 0;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      count += 1;
      const body = JSON.parse(Buffer.concat(chunks).toString("utf8")) as Delivered;
      places.get(request.url ?? "")?.(String(request.headers["webhook-id"]), body);
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    count: () => count,
    hear(name, history) {
      const names = new Set<string>();
      const mine: string[] = [];
      return {
        names,
        place() {
          const at = `/${name}/${mine.length}`;
          mine.push(at);
          const early: (readonly [string, Delivered])[] = [];
          places.set(at, (id, body) => early.push([id, body]));
          return {
            url: `http://127.0.0.1:${port}${at}`,
            is(endpointId) {
              const keep = (id: string, body: Delivered): void => {
                history.note("webhook", { endpointId, id, body });
                names.add(body.type === "invoice.generated" ? body.data.invoiceId : `alert ${body.sequence}`);
              };
              for (const [id, body] of early) keep(id, body);
              places.set(at, keep);
            },
          };
        },
        stop() {
          for (const at of mine) places.delete(at);
        },
      };
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

interface Delivered {
  readonly type: string;
  readonly sequence: string;
  readonly data: { readonly invoiceId: string };
}
