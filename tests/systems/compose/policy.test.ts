import { afterAll, beforeAll, describe } from "vitest";
import { createTokenIssuer } from "../../../gateway/auth/token-issuer.js";
import { hasKafka, hasNginx, hasPostgres, hasRedis } from "../../servers/servers.js";
import { policyTable } from "../policy/policy.js";
import type { PolicySystem } from "../policy/world.js";
import { type RunningCompose, startCompose } from "./start.js";

describe.skipIf(!hasKafka || !hasRedis || !hasPostgres || !hasNginx)("authorization (through the edge)", () => {
  let compose: RunningCompose | undefined;
  let system: PolicySystem | undefined;
  beforeAll(async () => {
    compose = await startCompose({
      env: { METRLY_PARTITIONS: "8", METRLY_TICK_SECONDS: "1", METRLY_LOG_LEVEL: "warn" },
    });
    const issuer = await createTokenIssuer(compose.gatewayDir);
    system = { url: compose.url, adminToken: await compose.adminToken(), issueToken: issuer.issue };
  });
  afterAll(() => compose?.stop());

  policyTable(() => {
    if (system === undefined) throw new Error("the compose file's services did not start");
    return system;
  });
});
