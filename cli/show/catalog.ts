import type { Env } from "#platform/process/config.js";
import { askGraph, findConnection } from "../connection/connection.js";
import { everyPage } from "../connection/pages.js";
import type { MetersQuery, PlansQuery } from "../graphql/graphql.js";
import { graphql } from "../graphql/index.js";
import { printRows, type ShowOptions } from "./print.js";
import type { Column } from "./table.js";

const METERS = graphql(`
  query Meters { meters { key name eventType aggregation valueProperty dimensions unit } }
`);
const PLANS = graphql(`
  query Plans($first: Int!, $after: Cursor) {
    plans(first: $first, after: $after) {
      nodes { id name archived latest { version currency recurringFee } }
      pageInfo { hasNextPage endCursor }
    }
  }
`);

type Meter = MetersQuery["meters"][number];
type Plan = PlansQuery["plans"]["nodes"][number];

/** `metrly meters list`: those that are not archived. */
export async function listMeters(options: ShowOptions, env: Env): Promise<void> {
  const { meters } = await askGraph(await findConnection(options, env), METERS);
  const columns: Column<Meter>[] = [
    { name: "METER", text: ({ key }) => key },
    { name: "NAME", text: ({ name }) => name, mayBeCut: true },
    { name: "COUNTS", text: ({ eventType }) => eventType, mayBeCut: true },
    { name: "AS", text: ({ aggregation, valueProperty }) => [aggregation, valueProperty].filter(Boolean).join(" ") },
    { name: "DIMENSIONS", text: ({ dimensions }) => dimensions.join(",") || null, mayBeCut: true },
  ];
  await printRows(meters, columns, options);
}

/** `metrly plans list`: all, with what their newest version costs. */
export async function listPlans(options: ShowOptions, env: Env): Promise<void> {
  const connection = await findConnection(options, env);
  const plans = await everyPage(async (page) => (await askGraph(connection, PLANS, page)).plans);
  const columns: Column<Plan>[] = [
    { name: "PLAN", text: ({ id }) => id },
    { name: "NAME", text: ({ name }) => name, mayBeCut: true },
    { name: "STATUS", text: ({ archived }) => (archived ? "ARCHIVED" : "ACTIVE") },
    { name: "VERSION", text: ({ latest }) => latest?.version.toString() ?? null, isNumber: true },
    { name: "FEE", text: ({ latest }) => latest?.recurringFee ?? null, isNumber: true },
    { name: "CURRENCY", text: ({ latest }) => latest?.currency ?? null },
  ];
  await printRows(plans, columns, options);
}
