import { createMigratedDatabase } from "../servers/migrated.js";
import { connectServer } from "./server.js";
import { type Outcome, type SimulationOptions, simulate } from "./simulation.js";

/** One run on fresh databases: what another run left behind changes nothing. */
export async function runSeed(options: Omit<SimulationOptions, "servers">): Promise<Outcome> {
  const created = await Promise.all([createMigratedDatabase("ingestion"), createMigratedDatabase("billing")]);
  const [ingestion, billing] = await Promise.all([connectServer(created[0].url), connectServer(created[1].url)]);
  try {
    return await simulate({ ...options, servers: { ingestion, billing } });
  } finally {
    await Promise.all([ingestion.stop(), billing.stop()]);
    await Promise.all(created.map(({ drop }) => drop()));
  }
}
