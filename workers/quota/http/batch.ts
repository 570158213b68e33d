import { MetrlyError } from "#kernel/errors.js";
import { problemOf } from "#platform/http/server.js";
import type { BatchAnswer, Gate } from "../gate/gate.js";
import type { Decision } from "../rules/decision.js";
import { decisionBody } from "./answer.js";
import type { ParsedRequest } from "./request.js";

/**
 * Decides a batch: the requests of one tenant in their order, those of different tenants at once. Returns a body per item; one
 * item's error is its problem document and fails no other.
 */
export async function answerBatch(
  gate: Pick<Gate, "batch">,
  items: readonly (ParsedRequest | MetrlyError)[],
  onDecision: (request: ParsedRequest, decision: Decision) => void,
): Promise<readonly object[]> {
  const bodies = new Array<object>(items.length);
  const byTenant = new Map<string, { readonly index: number; readonly request: ParsedRequest }[]>();
  for (const [index, item] of items.entries()) {
    if (item instanceof MetrlyError) {
      bodies[index] = problemOf(item);
      continue;
    }
    const own = byTenant.get(item.tenantId) ?? [];
    byTenant.set(item.tenantId, own);
    own.push({ index, request: item });
  }
  const decided = [...byTenant].map(async ([tenantId, own]) => {
    const answers = await answersOf(
      gate,
      tenantId,
      own.map(({ request }) => request),
    );
    for (const [position, { index, request }] of own.entries()) {
      const answer = answers[position];
      if (answer === undefined) throw new Error("a request of a batch without an answer");
      if (answer.kind === "decision") onDecision(request, answer.decision);
      bodies[index] = bodyOf(answer, request);
    }
  });
  await Promise.all(decided);
  return bodies;
}

async function answersOf(
  gate: Pick<Gate, "batch">,
  tenantId: string,
  requests: readonly ParsedRequest[],
): Promise<readonly BatchAnswer[]> {
  try {
    return await gate.batch(tenantId, requests);
  } catch (error) {
    if (!(error instanceof MetrlyError)) throw error;
    return requests.map(() => ({ kind: "error", error }));
  }
}

function bodyOf(answer: BatchAnswer, request: ParsedRequest): object {
  switch (answer.kind) {
    case "decision":
      return decisionBody(answer.decision, request);
    case "released":
      return { released: answer.released };
    case "error":
      return problemOf(answer.error);
    default:
      return answer satisfies never;
  }
}
