import { hasKafka, hasPostgres, hasRedis } from "../../servers/servers.js";
import { startMetrly } from "../../support/metrly.js";
import { tellStory } from "./story.js";

tellStory({ where: "embedded", can: true, start: () => startMetrly("embedded", {}, "new") });
tellStory({
  where: "servers",
  can: hasKafka && hasRedis && hasPostgres,
  start: () => startMetrly("servers", { METRLY_WEBHOOK_ALLOW_HOSTS: "127.0.0.1" }, "new"),
});
