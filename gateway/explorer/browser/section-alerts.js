import { element, tableOf } from "./dom.js";
import { minute, perWindow, quantity, share } from "./figures.js";

export const ALERTS = `query OverviewAlerts($tenantId: ID!, $after: Cursor) {
  tenant(id: $tenantId) {
    alerts(first: 200, after: $after) {
      nodes { at kind meter unit currency window threshold thresholdKind limit used }
      pageInfo { hasNextPage endCursor }
    }
  }
  meters { key name unit }
}`;

const SHOWN = 6;
/** The graph lists the oldest alerts first, so the last ones are found by paging: this far at a time. */
const PAGES = 10;

/** Reads the last alerts; a later call goes on where this one stopped. @param {(after: string | null) => Promise<object>} page */
export function readLastAlerts(page) {
  let after = null;
  let last = [];
  return async () => {
    for (let read = 1; ; read += 1) {
      const answer = await page(after);
      const alerts = answer.data?.tenant?.alerts;
      if (!alerts) return answer;
      last = [...last, ...alerts.nodes].slice(-SHOWN);
      after = alerts.pageInfo.endCursor ?? after;
      const isBehind = alerts.pageInfo.hasNextPage;
      if (!isBehind || read === PAGES) return { ...answer, data: { ...answer.data, tenant: { last, isBehind } } };
    }
  };
}

export function showAlerts({ last, isBehind }, { nameOf }) {
  if (last.length === 0) return [element("p", { class: "quiet" }, ["None: usage has not come near a limit."])];
  const rows = [...last]
    .reverse()
    .map(({ at, kind, meter, unit, currency, window, threshold, thresholdKind, limit, used }) => [
      minute(at),
      kind === "EXCEEDED" ? "Limit reached" : "Warning",
      `${thresholdKind === "AMOUNT" ? quantity(threshold) : share(threshold)} of ${quantity(limit)} ${unit === "MONEY" ? currency : nameOf(meter)} ${perWindow(window)}`,
      quantity(used),
    ]);
  const behind = isBehind ? element("p", { class: "quiet" }, ["Still reading: there are later ones."]) : "";
  return [tableOf({ At: "fixed", Kind: "fixed", Limit: "", Used: "" }, rows), behind];
}
