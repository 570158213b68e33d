import { readdir } from "node:fs/promises";
import path from "node:path";

/** Names the scored room to vitest: its folder. */
export const ROOM_VARIABLE = "METRLY_SCORED_ROOM";

/** The folders of pure code: the kernel and each service's rules. */
export async function scoredRooms(root: string): Promise<readonly string[]> {
  const services = await readdir(path.join(root, "workers"));
  return ["kernel", ...services.map((service) => `workers/${service}/rules`).sort()];
}
