import { readdir } from "node:fs/promises";
import path from "node:path";

/** Names the scored room to vitest: its folder. */
export const ROOM_VARIABLE = "METRLY_SCORED_ROOM";

/** The folders of pure code: the kernel and each service's rules. */
export async function scoredRooms(root: string): Promise<readonly string[]> {
  const services = await readdir(path.join(root, "workers"));
  const pure = ["kernel", ...services.map((service) => `workers/${service}/rules`).sort()];
  return (await Promise.all(pure.map((folder) => roomsIn(root, folder)))).flat();
}

/** A folder of code and those in it: each is a room. */
async function roomsIn(root: string, folder: string): Promise<readonly string[]> {
  const inside = await readdir(path.join(root, folder), { recursive: true, withFileTypes: true });
  const files = inside.filter((one) => one.isFile() && /(?<!\.test|\.testing)\.ts$/.test(one.name));
  return [...new Set(files.map(({ parentPath }) => path.relative(root, parentPath)))].sort();
}
