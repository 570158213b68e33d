import { startCompose } from "../../tests/systems/compose/start.js";
import { optionsOf, serve } from "../support/measured.js";
import { createBenchWorld } from "./world.js";

// The compose file's roles, each a process, on Kafka, Redis and PostgreSQL behind nginx.
optionsOf();
const metrly = await startCompose({ env: { METRLY_DEMO: "off" } });
const admin = await metrly.adminToken();
const listening = await createBenchWorld(metrly.url, admin);
serve({ ...listening, admin }, () => metrly.stop());
