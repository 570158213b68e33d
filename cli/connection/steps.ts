import type { FailedStep } from "#platform/http/ndjson-stream.js";
import { UserError } from "./failure.js";

/** The progress steps of a long operation, one JSON line each, as they arrive. Throws `UserError` when the operation failed. */
export async function* stepsOf<Step extends { readonly kind: string }>(response: Response): AsyncGenerator<Step> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) {
      const step: Step | FailedStep = JSON.parse(line);
      if (isFailed(step)) throw new UserError(`${step.code}: ${step.detail}`, step.code);
      yield step;
    }
  }
  if (text !== "")
    throw new UserError("The response ended early: the service stopped during the operation. Run the command again.");
}

const isFailed = (step: { readonly kind: string }): step is FailedStep => step.kind === "failed";
