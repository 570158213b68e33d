import { PrismaPg } from "@prisma/adapter-pg";
import type { Database } from "./database.js";

/**
 * The driver adapter for a service's generated Prisma client: `new PrismaClient({ adapter: prismaAdapter(database) })`. It
 * shares the database's pool, whose sessions run in UTC (adapter-pg writes wrong instants in any other time zone).
 */
export function prismaAdapter(database: Database): PrismaPg {
  return new PrismaPg(database.pool);
}
