import { parseArgs } from "node:util";
import type { FairnessResult } from "./rounds.js";

/** What `run.ts` passes to the process of one resource. */
export interface PartOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly redisUrl: string;
  readonly brokers: readonly string[];
}

/** Measures in this process and prints one line of JSON. */
export async function runPart(measure: (options: PartOptions) => Promise<FairnessResult>): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "5" },
      seconds: { type: "string", default: "2" },
      "redis-url": { type: "string", default: "" },
      brokers: { type: "string", default: "" },
    },
  });
  const { rounds, seconds, brokers } = values;
  const result = await measure({
    ...{ rounds: Number(rounds), seconds: Number(seconds) },
    ...{ redisUrl: values["redis-url"], brokers: brokers.split(",") },
  });
  console.log(JSON.stringify(result));
}
