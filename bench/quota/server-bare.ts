import http from "node:http";
import { optionsOf, serve } from "../support/measured.js";

// The reference: node:http that reads and discards the body and answers with as many bytes as a decision.
optionsOf();
const body = JSON.stringify({
  ...{ allowed: true, reason: "WITHIN_LIMITS", reservationId: "acme:calls:0123456789abcdef" },
  ...{ expiresAt: "2026-11-26T17:00:00.000Z", plan: { id: "bench", version: 1 } },
  limits: [
    {
      ...{ meter: "calls", window: "MINUTE", kind: "HARD", limit: "1000000000", used: "0", reserved: "100000" },
      ...{ remaining: "999900000", resetAt: "2026-11-26T17:00:00.000Z" },
    },
  ],
});
const headers = {
  "content-type": "application/json; charset=utf-8",
  "content-length": Buffer.byteLength(body),
  "ratelimit-policy": '"calls:MINUTE";q=1000000000;w=60',
  ratelimit: '"calls:MINUTE";r=999900000;t=63',
};
const server = http.createServer((request, response) => {
  request.on("data", () => undefined);
  request.on("end", () => response.writeHead(200, headers).end(body));
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  serve({ port, key: "none" }, async () => server.closeAllConnections());
});
