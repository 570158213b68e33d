import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createTokenIssuer } from "../../../gateway/auth/token-issuer.js";
import { killEachRole } from "../../chaos/compose-kills.js";
import { hasKafka, hasNginx, hasPostgres, hasRedis } from "../../servers/servers.js";
import { policyTable } from "../policy/policy.js";
import type { PolicySystem } from "../policy/world.js";
import { tellStory } from "../whole-path/story.js";
import { type RunningCompose, startCompose } from "./start.js";

// Private servers, but only where the run has such servers at all.
const can = hasKafka && hasRedis && hasPostgres && hasNginx;

/** One system for all, because its start costs more than they do; the story comes first, because it begins with nothing. */
describe.skipIf(!can)("the compose file's system", () => {
  let compose: RunningCompose | undefined;

  beforeAll(async () => {
    compose = await startCompose({
      env: {
        METRLY_WEBHOOK_ALLOW_HOSTS: "127.0.0.1",
        METRLY_TICK_SECONDS: "1",
        METRLY_LOG_LEVEL: "warn",
        // A tick of each partition passes through every role each second. Long runs have the default number.
        METRLY_PARTITIONS: "8",
      },
    });
  });

  afterAll(() => compose?.stop());

  function running(): RunningCompose {
    if (compose === undefined) throw new Error("the compose file's services did not start");
    return compose;
  }

  tellStory({
    where: "compose",
    can,
    async start() {
      async function output(): Promise<string> {
        const roles = [...running().processes.values()];
        return (await Promise.all(roles.map(async (role) => `${role.name}:\n${await role.output()}`))).join("\n");
      }
      return { ...running(), output, dispose: async () => undefined };
    },
  });

  describe("authorization (through the edge)", () => {
    let system: PolicySystem | undefined;

    beforeAll(async () => {
      const issuer = await createTokenIssuer(running().gatewayDir);
      system = { url: running().url, adminToken: await running().adminToken(), issueToken: issuer.issue };
    });

    policyTable(() => {
      if (system === undefined) throw new Error("the token issuer did not start");
      return system;
    });
  });

  test("no role ended by itself or wrote outside its volumes", async () => {
    for (const role of running().processes.values()) {
      expect(role.restartCount(), `${role.name} ended by itself:\n${(await role.output()).slice(-2_000)}`).toBe(0);
      expect(await role.litter(), `${role.name} writes outside its volumes`).toEqual([]);
    }
  });

  describe("kills", () => killEachRole(1, running));
});
