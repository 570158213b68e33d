import { expect } from "vitest";
import { hasKafka, hasNginx, hasPostgres, hasRedis } from "../../servers/servers.js";
import { tellStory } from "../whole-path/story.js";
import { startCompose } from "./start.js";

// Private servers, but only where the run has such servers at all.
tellStory({
  where: "compose",
  can: hasKafka && hasRedis && hasPostgres && hasNginx,
  async start() {
    const compose = await startCompose({
      env: { METRLY_WEBHOOK_ALLOW_HOSTS: "127.0.0.1", METRLY_TICK_SECONDS: "1", METRLY_LOG_LEVEL: "warn" },
    });
    async function dispose(): Promise<void> {
      try {
        for (const role of compose.processes.values()) {
          expect(role.restartCount(), `${role.name} ended by itself:\n${(await role.output()).slice(-2_000)}`).toBe(0);
          expect(await role.litter(), `${role.name} writes outside its volumes`).toEqual([]);
        }
      } finally {
        await compose.stop();
      }
    }
    async function output(): Promise<string> {
      const roles = [...compose.processes.values()];
      return (await Promise.all(roles.map(async (role) => `${role.name}:\n${await role.output()}`))).join("\n");
    }
    return { ...compose, output, dispose };
  },
});
