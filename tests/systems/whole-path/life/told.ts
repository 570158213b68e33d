import type { History, Outcome, Told } from "../../../oracle/history.js";
import { askRaw, postEvents, postJson } from "../../../support/client.js";

/** A client of the public interfaces that keeps what it sends, and what it is answered, in a history. */
export interface ToldClient {
  /** A mutation or query; `input` is what the history says, and the variables unless they are given. */
  ask<Answer>(op: string, text: string, input: object, variables?: object): Promise<Told<Answer>>;
  /** As `ask`, with a part of the result as the answer. */
  look<Answer>(op: string, text: string, input: object, part: (data: never) => Answer): Promise<Told<Answer>>;
  events(events: readonly object[], isCutOff: boolean): Promise<Told<unknown>>;
  quota(op: "consume" | "check" | "release", body: object, isCutOff?: boolean): Promise<Told<Decision>>;
}

export interface Decision {
  readonly allowed?: boolean;
  readonly released?: boolean;
}

/** After these, nobody knows. */
const UNKNOWN = new Set(["INTERNAL", "BUSY", "LOG_UNAVAILABLE", "SUBGRAPH_UNAVAILABLE", "UNAVAILABLE"]);
/** What a request that is cut off waits for its answer: often too short. */
const CUT_OFF_MS = 4;

export interface Access {
  readonly url: string;
  readonly admin: string;
  readonly key: string;
  readonly tenantId: string;
}

export function toldClient(history: History, { url, admin, key, tenantId }: Access): ToldClient {
  async function asked<Answer>(text: string, variables: object, part: (data: never) => Answer): Promise<Told<Answer>> {
    const { data, errors } = await askRaw<object, object>(url, admin, text, variables);
    if (errors === undefined && data) return { outcome: "ok", answer: part(data as never) };
    return { outcome: errors?.some(({ extensions }) => UNKNOWN.has(extensions.code)) ? "unknown" : "failed" };
  }
  /** The answer, if it comes before the client gives up; the request may be processed in any case. */
  async function unlessCutOff(response: Promise<Response>, isCutOff: boolean): Promise<Told<Response>> {
    const late = new Promise<undefined>((resolve) => setTimeout(resolve, CUT_OFF_MS, undefined));
    const answer = await (isCutOff ? Promise.race([response, late]) : response);
    if (answer === undefined || answer.status >= 500) {
      void response.then((one) => one.body?.cancel()).catch(() => undefined);
      return { outcome: "unknown" };
    }
    return { outcome: "ok", answer };
  }
  const first = (data: Readonly<Record<string, unknown>>) => Object.values(data)[0];
  return {
    ask: (op, text, input, variables = input) =>
      history.record(op, input, () => asked(text, variables, (data) => first(data) as never)),
    look: (op, text, input, part) => history.record(op, input, () => asked(text, input, part)),
    events: (events, isCutOff) =>
      history.record("events", { tenantId, events }, async (): Promise<Told<unknown>> => {
        const told = await unlessCutOff(postEvents(url, key, events), isCutOff);
        const body = (await told.answer?.json()) as { readonly results?: unknown } | undefined;
        // Where nothing was acceptable, the status is 400, and the results say why.
        if (body === undefined || body.results !== undefined) return { outcome: told.outcome, answer: body };
        return { outcome: "failed" };
      }),
    quota: (op, body, isCutOff = false) =>
      history.record(op, { tenantId, ...body }, async (): Promise<Told<Decision>> => {
        const told = await unlessCutOff(postJson(url, key, `/v1/quota/${op}`, body), isCutOff);
        if (told.answer === undefined) return { outcome: told.outcome };
        const answer = (await told.answer.json()) as Decision;
        const isDecision = answer.allowed !== undefined || answer.released !== undefined;
        return isDecision ? { outcome: "ok", answer } : { outcome: "failed" satisfies Outcome };
      }),
  };
}
