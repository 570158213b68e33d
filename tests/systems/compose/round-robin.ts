import { connect, createServer, type Socket } from "node:net";

export interface RoundRobin {
  readonly address: string;
  close(): Promise<void>;
}

/**
 * Emulates Docker's name server for a service with several containers: round robin over connections, skipping one that refuses.
 */
export async function startRoundRobin(addresses: readonly string[]): Promise<RoundRobin> {
  const open = new Set<Socket>();
  let turn = 0;
  const server = createServer((client) => {
    const first = turn++;
    tryNext(
      client,
      Array.from(addresses, (_, n) => addresses[(first + n) % addresses.length] ?? ""),
    );
  });

  function tryNext(client: Socket, [address, ...others]: readonly string[]): void {
    track(client);
    if (address === undefined) return void client.destroy();
    const [host = "", port = ""] = address.split(":");
    const target = connect(Number(port), host);
    const refused = () => tryNext(client, others);
    target.once("error", refused);
    target.once("connect", () => {
      target.off("error", refused);
      track(target);
      client.pipe(target).pipe(client);
      for (const [one, other] of [
        [client, target],
        [target, client],
      ] as const) {
        one.once("close", () => other.destroy());
      }
    });
  }

  function track(socket: Socket): void {
    if (open.has(socket)) return;
    open.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => open.delete(socket));
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    address: `127.0.0.1:${address.port}`,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}
