import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { serve } from "../support/measured.js";

// Answers every request except those to /hang.
const server = createServer((request, response) => {
  request.resume();
  if (request.url !== "/hang") request.on("end", () => response.end());
});
server.listen(0, "127.0.0.1", 4_096, () => {
  serve({ port: (server.address() as AddressInfo).port, key: "" }, async () => {
    server.closeAllConnections();
    server.close();
  });
});
