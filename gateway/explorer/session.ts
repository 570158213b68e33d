import type { FastifyRequest } from "fastify";

const LOOPBACK_ADDRESS = /^(127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$/;
const LOOPBACK_HOST = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i;
const FORWARDED = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"];

/**
 * Whether the request comes from the explorer's own page on this machine. The address alone is not enough: a local proxy
 * forwards remote clients, and any web page can send requests to loopback, or reach it under its own host by DNS rebinding.
 */
export function isOwnPageOnLoopback(request: Pick<FastifyRequest, "headers"> & { remoteAddress: string }): boolean {
  const { host, origin } = request.headers;
  return (
    LOOPBACK_ADDRESS.test(request.remoteAddress) &&
    host !== undefined &&
    LOOPBACK_HOST.test(host) &&
    origin === `http://${host}` &&
    FORWARDED.every((header) => request.headers[header] === undefined)
  );
}
