import { postJson } from "../../support/client.js";
import type { Target } from "../whole-path/proof.js";

const CLIENTS = 4;

/**
 * Asks for one request after the other, each with its own key, until stopped. Answers how many were told that they may go;
 * an answer that never came admits nobody.
 */
export function hammerQuota({ url }: Target, key: string, tenantId: string): { stop(): Promise<number> } {
  let stopped = false;
  let asked = 0;
  let admitted = 0;
  async function ask(): Promise<void> {
    while (!stopped) {
      asked += 1;
      const body = { tenantId, idempotencyKey: `hammer-${asked}`, ttlSeconds: 600 };
      const response = await postJson(url, key, "/v1/quota/consume", body).catch(() => undefined);
      if (response?.status === 200) admitted += 1;
      await response?.body?.cancel();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  const asking = Promise.all(Array.from({ length: CLIENTS }, ask));
  return {
    async stop() {
      stopped = true;
      await asking;
      return admitted;
    },
  };
}
