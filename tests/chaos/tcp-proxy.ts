import { connect, createServer, type Socket } from "node:net";
import { freePort } from "../servers/servers.js";

/** One direction of one connection: the bytes to forward, and when. */
export interface Link {
  /** Bytes from the client; call `toServer` with the bytes for the server. */
  fromClient(chunk: Buffer): void;
  fromServer(chunk: Buffer): void;
  /** Both ends are gone. */
  closed?(): void;
}

export interface LinkEnds {
  toServer(bytes: Buffer): void;
  toClient(bytes: Buffer): void;
  /** Both sides see a broken connection; bytes already forwarded arrive first. */
  cut(): void;
}

export interface TcpProxy {
  readonly port: number;
  /** Cuts every open connection. */
  cutAll(): void;
  stop(): Promise<void>;
}

/** A proxy on loopback; `createLink` decides about every byte. `targetPort` is read for each connection. */
export async function startTcpProxy(
  targetPort: () => number,
  createLink: (ends: LinkEnds) => Link,
  port?: number,
): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (client) => {
    const upstream = connect({ host: "127.0.0.1", port: targetPort(), noDelay: true });
    const close = () => {
      for (const socket of [client, upstream]) {
        socket.destroy();
        sockets.delete(socket);
      }
      link.closed?.();
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", close).on("close", close);
    }
    const link = createLink({
      toServer: (bytes) => upstream.write(bytes),
      toClient: (bytes) => {
        if (client.writable) client.write(bytes);
      },
      cut: () => {
        client.destroy();
        upstream.end();
      },
    });
    client.on("data", (chunk: Buffer) => link.fromClient(chunk));
    upstream.on("data", (chunk: Buffer) => link.fromServer(chunk));
  });
  const at = port ?? (await freePort());
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(at, "127.0.0.1", resolve));
  const cutAll = () => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  return {
    port: at,
    cutAll,
    stop() {
      cutAll();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
