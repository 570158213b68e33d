import type { Database } from "#platform/database/database.js";
import { prismaAdapter } from "#platform/database/prisma.js";
import { PrismaClient } from "#prisma/billing/generated/client.js";

/** Maximum listed event types: those with the most events. */
const MAX_TYPES = 200;

export interface UnmeteredType {
  readonly eventType: string;
  readonly count: number;
  /** Epoch ms. */
  readonly lastAt: number;
}

export interface UnmeteredTypes {
  /** The tenant's event types that no meter counts, most events first. */
  list(tenantId: string): Promise<UnmeteredType[]>;
}

export function createUnmeteredTypes(database: Database): UnmeteredTypes {
  const prisma = new PrismaClient({ adapter: prismaAdapter(database) });
  return {
    async list(tenantId) {
      const rows = await prisma.unmeteredType.findMany({
        // A type that a backfill came to count keeps its row, with a count of zero.
        where: { tenantId, eventCount: { gt: 0 } },
        orderBy: [{ eventCount: "desc" }, { eventType: "asc" }],
        take: MAX_TYPES,
      });
      return rows.map(({ eventType, eventCount, lastAt }) => ({
        eventType,
        count: Number(eventCount),
        lastAt: Number(lastAt),
      }));
    },
  };
}
