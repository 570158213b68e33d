import { denial, type Guarded, type GuardOptions, guard, releaseIfFailed } from "./guard.js";
import type { Quota } from "./quota.js";

interface Request {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}
interface Response {
  readonly statusCode: number;
  status(code: number): Response;
  set(headers: Readonly<Record<string, string>>): unknown;
  type(name: string): Response;
  send(body: string): unknown;
  once(event: "finish", listener: () => void): unknown;
  readonly locals: Record<string, unknown>;
}

/**
 * Express middleware: passes a request if its quota allows it, else answers 429. The handler finds the decision and the
 * key in `response.locals.quota`. Releases the reservation of a request that failed with 5xx.
 */
export function quotaMiddleware<R extends Request>(quota: Quota, options: GuardOptions<R>) {
  return (request: R, response: Response, next: (error?: unknown) => void): void => {
    guard(quota, request, options).then((guarded: Guarded) => {
      const { decision } = guarded;
      response.set(decision.headers);
      if (!decision.allowed) {
        response
          .status(429)
          .type("application/problem+json")
          .send(JSON.stringify(denial(decision)));
        return;
      }
      response.locals.quota = guarded;
      response.once("finish", () => releaseIfFailed(quota, request, options, guarded, response.statusCode));
      next();
    }, next);
  };
}
