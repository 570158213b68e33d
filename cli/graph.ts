import type { FastifyInstance } from "fastify";
import type { Room, RoomContext } from "#platform/room.js";
import { startFrontDoor } from "./roles.js";
import type { Composition } from "./system.js";

/** A process's part of the graph: what answers for its readiness, and what closes its sockets. */
export interface OpenGraph {
  readonly rooms: readonly Pick<Room, "name" | "readiness">[];
  stop(): Promise<void>;
}

/** Serves the whole graph, or one service's part of it to the gateway. */
export async function openGraph(
  context: RoomContext,
  composition: Composition,
  app: FastifyInstance,
  rooms: readonly Room[],
): Promise<OpenGraph> {
  if (composition !== "all") return { rooms: [], stop: async () => undefined };
  const subgraphs = rooms.map((room) => room.subgraph).filter((subgraph) => subgraph !== undefined);
  const frontDoor = await startFrontDoor({ ...context, logger: context.logger.child({ room: "gateway" }) }, subgraphs);
  frontDoor.register?.(app);
  return { rooms: [frontDoor], stop: () => frontDoor.stop() };
}
