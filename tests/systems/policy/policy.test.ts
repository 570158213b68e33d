import { afterAll, beforeAll, describe } from "vitest";
import { createTokenIssuer } from "../../../gateway/auth/token-issuer.js";
import { type MetrlyProcess, startMetrly } from "../../support/metrly.js";
import { policyTable } from "./policy.js";
import type { PolicySystem } from "./world.js";

describe("authorization (embedded)", () => {
  let metrly: MetrlyProcess | undefined;
  let system: PolicySystem | undefined;
  beforeAll(async () => {
    metrly = await startMetrly("embedded");
    const issuer = await createTokenIssuer(metrly.dataDir);
    system = { url: metrly.url, adminToken: await metrly.adminToken(), issueToken: issuer.issue };
  });
  afterAll(() => metrly?.dispose());

  policyTable(() => {
    if (system === undefined) throw new Error("Metrly did not start");
    return system;
  });
});
