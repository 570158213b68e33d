import fc from "fast-check";
import { afterAll, beforeAll, describe, test } from "vitest";
import { hasPostgres, hasRedis } from "../../../tests/servers/servers.js";
import { runs, sized } from "../../../tests/support/effort.js";
import { inCluster, inProcess, inRedis, type Place } from "./place.testing.js";
import { createStage, type Stage } from "./stage.testing.js";
import { stepOf, tenantOf } from "./steps.testing.js";
import { play } from "./story.testing.js";

const storyOf = fc.record({
  tenants: fc.array(tenantOf, { minLength: 1, maxLength: 3 }),
  steps: fc.array(stepOf, { minLength: 20, maxLength: 70, size: "max" }),
});

const PLACES: readonly { readonly name: string; readonly stories: number; open(): Promise<Place> }[] = [
  { name: "in process", stories: 30, open: async () => inProcess },
  { name: "in one Redis", stories: 20, open: inRedis },
  { name: "in a Redis Cluster", stories: 10, open: inCluster },
];

for (const { name, stories, open } of PLACES) {
  describe.skipIf(!hasPostgres || (name !== "in process" && !hasRedis))(`quota, counters ${name}`, () => {
    let place: Place;
    let stage: Stage;
    /** Goes on when the time for stories is over. */
    let told: Promise<unknown> = Promise.resolve();
    beforeAll(async () => {
      place = await open();
      stage = createStage(place);
    });
    afterAll(async () => {
      await told.catch(() => undefined);
      await stage.close();
      await place.stop();
    });

    test("any story is told as by the exact oracle", async () => {
      await fc.assert(
        fc.asyncProperty(storyOf, (story) => {
          const telling = play(stage, story);
          told = telling;
          return telling;
        }),
        { numRuns: runs(stories), interruptAfterTimeLimit: sized(120_000, 1_500_000) },
      );
    });
  });
}
