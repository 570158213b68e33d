import { afterAll, beforeAll, describe } from "vitest";
import { hasKafka, hasNginx, hasPostgres, hasRedis } from "../servers/servers.js";
import { type RunningCompose, startCompose } from "../systems/compose/start.js";
import { killEachRole } from "./compose-kills.js";

// Only in long runs: `npm test` kills the roles of the system that tests/systems/compose/story.test.ts starts.
const can = hasKafka && hasRedis && hasPostgres && hasNginx;

for (const replicas of [1, 2]) {
  describe.skipIf(!can)(`the distributed system, ${replicas} of each role`, () => {
    let compose: RunningCompose | undefined;

    beforeAll(async () => {
      compose = await startCompose({
        replicas,
        // With the default number of partitions: each costs every process a little, with or without usage.
        env: { METRLY_WEBHOOK_ALLOW_HOSTS: "127.0.0.1", METRLY_TICK_SECONDS: "1", METRLY_PARTITIONS: "64" },
      });
    });
    afterAll(() => compose?.stop());

    killEachRole(replicas, () => {
      if (compose === undefined) throw new Error("the compose file's services did not start");
      return compose;
    });
  });
}
