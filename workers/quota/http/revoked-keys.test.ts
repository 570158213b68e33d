import { once } from "node:events";
import { connect } from "node:net";
import { pino } from "pino";
import { expect, test } from "vitest";
import { manualClock } from "#kernel/clock.js";
import { generateApiKey } from "#platform/auth/api-keys.js";
import { createHttpServer } from "#platform/http/server.js";
import { createTenancyState } from "#platform/tenancy-client/copy.js";
import type { ApiKeyState } from "#schema/events/tenancy-changed.v1.js";
import type { DenialLog } from "../gate/denial-log.js";
import type { Gate } from "../gate/gate.js";
import type { QuotaMetrics } from "../metrics.js";
import { registerDataPlane } from "./data-plane.js";

test.each(["check", "consume", "release", "batch"])(
  "a key that is revoked, or loses its scope, ends a request to %s whose body arrives",
  async (operation) => {
    const clock = manualClock(1_790_000_000_000);
    const { apply, reads } = createTenancyState(clock);
    const app = createHttpServer(pino({ level: "silent" }));
    const never = {};
    const unused = { gate: never as Gate, denials: never as DenialLog, metrics: never as QuotaMetrics };
    registerDataPlane(app, { ...unused, clock, tenancy: { ...reads, stop: async () => undefined } });
    const { port } = new URL(await app.listen({ host: "127.0.0.1", port: 0 }));
    const ended: [Partial<ApiKeyState>, number][] = [
      [{ revokedAt: clock.now() }, 401],
      [{ scopes: ["READ"] }, 403],
    ];
    for (const [change, status] of ended) {
      const { secret, hash, prefix } = generateApiKey(false);
      const state: ApiKeyState = {
        ...{ kind: "apiKey", id: `key-${status}`, version: 1, tenantId: "acme", name: "test", prefix, hash },
        ...{ scopes: ["QUOTA"], test: false, createdAt: 0, expiresAt: null, revokedAt: null },
      };
      apply(state);
      const socket = connect(Number(port), "127.0.0.1");
      const lines = [`POST /v1/quota/${operation} HTTP/1.1`, "host: x", `authorization: Bearer ${secret}`];
      socket.write(`${lines.join("\r\n")}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{`);
      await once(app.server, "request");
      apply({ ...state, ...change, version: 2 });
      const [answer] = await once(socket, "data");
      expect(String(answer)).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      socket.destroy();
    }
    await app.close();
  },
);
