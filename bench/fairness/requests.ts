import { Agent, request } from "node:http";
import { type MeasuredServer, startLoad } from "../support/processes.js";
import { requestTemplate, type TemplateOptions } from "../support/requests.js";
import { LOUD, type Loud, TIMES, type Use } from "./rounds.js";

export interface RequestsOptions {
  readonly of: TemplateOptions["of"];
  /** Events or decisions per request of the others, and of the loud tenant. */
  readonly events: number;
  readonly loudEvents?: number;
}

/** Requests of the others from this process, one connection each; those of the loud tenant from the load generator. */
export function httpUses(server: MeasuredServer, { of, events, loudEvents = events }: RequestsOptions) {
  const agent = new Agent({ keepAlive: true });
  const templates = new Map<string, ReturnType<typeof requestTemplate>>();

  function templateOf(tenantId: string) {
    const key = server.keys?.[tenantId] ?? server.key;
    const made = templates.get(tenantId) ?? requestTemplate({ of, key, events, repeatPercent: 0, timeMs: Date.now() });
    templates.set(tenantId, made);
    return made;
  }

  const use: Use = (tenantId) => {
    const [head = "", body = ""] = templateOf(tenantId).next().toString("latin1").split("\r\n\r\n");
    const [line = "", ...lines] = head.split("\r\n");
    const [method, path] = line.split(" ");
    const headers = Object.fromEntries(lines.map((one) => one.split(": ")));
    return new Promise<void>((resolve, reject) => {
      const sent = request({ agent, host: "127.0.0.1", port: server.port, method, path, headers }, (answer) => {
        const { statusCode = 0 } = answer;
        const isServed = statusCode < 300;
        answer.resume().on("end", () => (isServed ? resolve() : reject(new Error(`answered ${statusCode}`))));
      });
      sent.on("error", reject).end(body);
    });
  };

  async function loud({ port, keys }: MeasuredServer = server): Promise<Loud> {
    const flood = { port, key: keys?.[LOUD] ?? "" };
    const running = await startLoad(flood, { of, connections: TIMES, events: loudEvents });
    return {
      async end() {
        const { requests, statuses } = await running.end();
        const answered = Object.values(statuses).reduce((sum, count) => sum + count, 0);
        return { served: requests, refused: answered - requests };
      },
    };
  }
  return { use, loud, stop: () => agent.destroy() };
}
