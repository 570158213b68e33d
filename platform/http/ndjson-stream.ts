import { Readable } from "node:stream";
import type { FastifyReply } from "fastify";
import { MetrlyError } from "#kernel/errors.js";

/** What ends a stream of steps that could not go on: its status has been sent by then. */
export interface FailedStep {
  readonly kind: "failed";
  readonly code: string;
  readonly detail: string;
}

/** Answers the steps of long work as JSON lines while it goes on. Work that fails before its first step fails the request. */
export async function sendSteps(reply: FastifyReply, steps: AsyncIterable<object>): Promise<FastifyReply> {
  const iterator = steps[Symbol.asyncIterator]();
  const first = await iterator.next();
  const onBug = (error: unknown) => reply.log.error({ err: error }, "work that was asked for failed");
  return reply.type("application/x-ndjson").send(Readable.from(linesOf(first, iterator, onBug)));
}

async function* linesOf(
  first: IteratorResult<object>,
  iterator: AsyncIterator<object>,
  onBug: (error: unknown) => void,
): AsyncGenerator<string> {
  try {
    for (let step = first; !step.done; step = await iterator.next()) yield `${JSON.stringify(step.value)}\n`;
  } catch (error) {
    if (!(error instanceof MetrlyError)) onBug(error);
    const known = error instanceof MetrlyError ? error : new MetrlyError("INTERNAL", "Internal error");
    const failed: FailedStep = { kind: "failed", code: known.code, detail: known.message };
    yield `${JSON.stringify(failed)}\n`;
  } finally {
    // A client that went away ends the work.
    await iterator.return?.();
  }
}
