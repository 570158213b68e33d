import { startMetrly } from "../../tests/support/metrly.js";
import { optionsOf, serve } from "../support/measured.js";
import { createBenchWorld } from "./world.js";

// `metrly all` with its embedded database, as `npm start` runs it.
optionsOf();
const metrly = await startMetrly("embedded", { METRLY_TICK_SECONDS: "5", METRLY_LOG_LEVEL: "error" });
const admin = await metrly.adminToken();
const listening = await createBenchWorld(metrly.url, admin);
serve({ ...listening, admin }, () => metrly.dispose());
