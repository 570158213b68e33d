import { openServers } from "./servers.js";
import { type Outcome, type SimulationOptions, simulate } from "./simulation.js";

export type Runner = Awaited<ReturnType<typeof openRunner>>;

/** Runs seeds one after the other on the same databases: what a run leaves behind does not change the next one. */
export async function openRunner() {
  const servers = await openServers();
  return {
    async run(options: Omit<SimulationOptions, "servers">): Promise<Outcome> {
      await servers.reset();
      return simulate({ ...options, servers });
    },
    stop: servers.stop,
  };
}
