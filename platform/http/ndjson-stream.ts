import { Readable } from "node:stream";
import type { FastifyReply } from "fastify";
import { MetrlyError } from "#kernel/errors.js";

/** The last line of a stream that failed after its status was sent. */
export interface FailedStep {
  readonly kind: "failed";
  readonly code: string;
  readonly detail: string;
}

/** Streams the steps of a long operation as JSON lines. A failure before the first step fails the request. */
export async function sendSteps(reply: FastifyReply, steps: AsyncIterable<object>): Promise<FastifyReply> {
  const iterator = steps[Symbol.asyncIterator]();
  const first = await iterator.next();
  const onBug = (error: unknown) => reply.log.error({ err: error }, "a streamed operation failed");
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
    // A client that disconnects aborts the operation.
    await iterator.return?.();
  }
}
