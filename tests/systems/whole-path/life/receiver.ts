import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { History } from "../../../oracle/history.js";

/** Receives a tenant's webhooks, and keeps them in its history. */
export interface Receiver {
  readonly url: string;
  endpointId: string;
  /** The ids of invoices, and the sequence numbers of alerts. */
  readonly names: Set<string>;
  stop(): Promise<void>;
}

/** Starts it on a free port of this machine. */
export async function receive(history: History): Promise<Receiver> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = JSON.parse(Buffer.concat(chunks).toString("utf8"));
      const id = String(request.headers["webhook-id"]);
      history.note("webhook", { endpointId: receiver.endpointId, id, body });
      receiver.names.add(body.type === "invoice.generated" ? body.data.invoiceId : `alert ${body.sequence}`);
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const receiver: Receiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    endpointId: "",
    names: new Set(),
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return receiver;
}
