import { PrismaPg } from "@prisma/adapter-pg";
import type { Sessions } from "./database.js";

/**
 * The driver adapter for a service's generated Prisma client: `new PrismaClient({ adapter: prismaAdapter(database) })`. It
 * shares their pool, hence their limits; they run in UTC (adapter-pg writes wrong instants in any other time zone).
 */
export function prismaAdapter(sessions: Sessions): PrismaPg {
  return new PrismaPg(sessions.pool);
}
