import { startTcpProxy, type TcpProxy } from "./tcp-proxy.js";

export interface MutableProxy extends TcpProxy {
  /** The server's URL, through the proxy. */
  readonly url: string;
  /** From now on every byte is lost, and no connection ends: the network between is gone. */
  mute(): void;
}

/** Stands between a client and the server of `url`. */
export async function startMutableProxy(url: string): Promise<MutableProxy> {
  let isMuted = false;
  const through = new URL(url);
  const serverPort = Number(through.port);
  const proxy = await startTcpProxy(
    () => serverPort,
    (ends) => ({
      fromClient: (bytes) => isMuted || ends.toServer(bytes),
      fromServer: (bytes) => isMuted || ends.toClient(bytes),
    }),
  );
  through.port = String(proxy.port);
  return {
    ...proxy,
    url: through.toString(),
    mute: () => {
      isMuted = true;
    },
  };
}
