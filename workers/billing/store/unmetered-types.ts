import type { Database } from "#platform/database/database.js";
import { prismaAdapter } from "#platform/database/prisma.js";
import { PrismaClient } from "#prisma/billing/generated/client.js";

/** Maximum listed event types: those with the most events. */
const MAX_TYPES = 200;

/** Reads the tenant's event types that no meter counts, most events first; times are epoch ms. */
export function createUnmeteredTypes(database: Database) {
  const prisma = new PrismaClient({ adapter: prismaAdapter(database) });
  return async (tenantId: string) => {
    const rows = await prisma.unmeteredType.findMany({
      // A type that a backfill came to count keeps its row, with a count of zero.
      where: { tenantId, eventCount: { gt: 0 } },
      orderBy: [{ eventCount: "desc" }, { eventType: "asc" }],
      take: MAX_TYPES,
    });
    return rows.map(({ eventType, eventCount, lastAt }) => ({
      ...{ eventType, count: Number(eventCount), lastAt: Number(lastAt) },
    }));
  };
}
