import { denial, type Guarded, type GuardOptions, guard, releaseIfFailed } from "./guard.js";
import type { Quota } from "./quota.js";

interface Request {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}
interface Reply {
  readonly statusCode: number;
  code(status: number): Reply;
  headers(values: Readonly<Record<string, string>>): Reply;
  type(name: string): Reply;
  send(body: string): unknown;
  readonly raw: { once(event: "finish", listener: () => void): unknown };
}

const decisions = new WeakMap<object, Guarded>();

/** The decision and the key of a request that `quotaHook` passed. */
export const quotaOf = (request: object): Guarded | undefined => decisions.get(request);

/**
 * Fastify `preHandler`: passes a request if its quota allows it, else answers 429. The handler finds the decision with
 * `quotaOf(request)`. Releases the reservation of a request that failed with 5xx.
 */
export function quotaHook<R extends Request>(quota: Quota, options: GuardOptions<R>) {
  return async (request: R, reply: Reply): Promise<unknown> => {
    const guarded = await guard(quota, request, options);
    const { decision } = guarded;
    reply.headers(decision.headers);
    if (!decision.allowed)
      return reply
        .code(429)
        .type("application/problem+json")
        .send(JSON.stringify(denial(decision)));
    decisions.set(request, guarded);
    reply.raw.once("finish", () => releaseIfFailed(quota, request, options, guarded, reply.statusCode));
    return undefined;
  };
}
