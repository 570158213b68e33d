import http from "node:http";
import { optionsOf, serve } from "../support/measured.js";

// The reference: node:http that reads and discards the body and answers 202.
optionsOf();
const server = http.createServer((request, response) => {
  request.on("data", () => undefined);
  request.on("end", () => {
    response.statusCode = 202;
    response.end();
  });
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  serve({ port, key: "none" }, async () => server.closeAllConnections());
});
