import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import type { Answer } from "./answers.js";

export interface Sent {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

/** Sends one request with exactly these headers; undefined when Node's client refuses to. Rejects if no answer comes. */
export function send(port: number, { method, path, headers, body }: Sent): Promise<Answer | undefined> {
  return new Promise((resolve, reject) => {
    try {
      const asked = httpRequest({ port, host: "127.0.0.1", method, path, headers: { ...headers } }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk)).on("error", reject);
        response.on("end", () =>
          resolve({
            method,
            status: response.statusCode ?? 0,
            type: response.headers["content-type"] ?? "",
            text: Buffer.concat(chunks).toString("utf8"),
          }),
        );
      });
      asked.on("error", reject).end(body);
    } catch (error) {
      if (error instanceof TypeError) resolve(undefined);
      else reject(error);
    }
  });
}

/** Writes bytes on a connection of their own; what came back until the server closed it, or `untilMs` passed without a byte. */
export function exchange(
  port: number,
  bytes: string | Buffer,
  options: { readonly halfClose?: boolean; readonly quietMs?: number } = {},
): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    let got = "";
    const finish = () => {
      socket.destroy();
      resolve(got);
    };
    socket.setTimeout(options.quietMs ?? 60_000, finish);
    socket
      .on("data", (chunk) => (got += chunk.toString("latin1")))
      .on("end", finish)
      .on("error", finish);
    socket.write(bytes);
    if (options.halfClose) socket.end();
  });
}
