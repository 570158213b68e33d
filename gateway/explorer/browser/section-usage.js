import { element } from "./dom.js";
import { day, period, quantity } from "./figures.js";

export const USAGE = `query OverviewUsage($tenantId: ID!) {
  tenant(id: $tenantId) {
    billingPeriods(first: 1) { nodes { start end } }
    totals: usageTotals(granularity: PERIOD) { meter quantity eventCount }
    days: usageTotals(granularity: DAY) { meter from quantity }
  }
  meters { key name unit }
}`;

const DAY_MS = 86_400_000;
/** Those with the most events; the saved operation has all. */
const SHOWN = 5;
const HEIGHT = 40;

/** A row of bars for each meter: one a day, over the whole period. */
export function showUsage({ billingPeriods, totals, days }, { nameOf, withUnit }) {
  const [current] = billingPeriods.nodes;
  const used = totals.filter(({ eventCount }) => eventCount > 0).sort((a, b) => b.eventCount - a.eventCount);
  if (current === undefined || used.length === 0)
    return [element("p", { class: "quiet" }, ["No usage in this period yet. Events are sent to POST /v1/events."])];
  const dates = datesOf(current);
  const more = used.length - SHOWN;
  return [
    element("p", { class: "quiet" }, [period(current)]),
    ...used.slice(0, SHOWN).map(({ meter, quantity: total }) => {
      const byDate = new Map(
        days.filter((one) => one.meter === meter).map((one) => [Date.parse(one.from), one.quantity]),
      );
      return element("figure", {}, [
        element("figcaption", {}, [
          element("span", { class: "name" }, [nameOf(meter)]),
          element("span", { class: "number" }, [withUnit(quantity(total), meter)]),
        ]),
        barsOf(nameOf(meter), dates, byDate),
      ]);
    }),
    more > 0
      ? element("p", { class: "quiet" }, [`And ${more} more ${more === 1 ? "meter" : "meters"} with usage.`])
      : "",
  ];
}

/** The start of each day, UTC. */
function datesOf({ start, end }) {
  const dates = [];
  for (let at = Date.parse(start); at < Date.parse(end) && dates.length < 400; at += DAY_MS) dates.push(at);
  return dates;
}

function barsOf(name, dates, byDate) {
  const figures = dates.map((date) => Number(byDate.get(date) ?? 0));
  const [low, high] = [Math.min(0, ...figures), Math.max(0, ...figures)];
  const scale = HEIGHT / (high - low || 1);
  const bars = figures.map((figure, at) => {
    const text = `${day(dates[at])}: ${quantity(byDate.get(dates[at]) ?? "0")}`;
    const length = Math.max(Math.abs(figure) * scale, 1);
    const y = figure < 0 ? high * scale : Math.max(high * scale - length, 0);
    const bar = { x: at * 10 + 1, y, width: 8, height: length, class: figure === 0 ? "none" : false };
    return element("svg:rect", bar, [element("svg:title", {}, [text])]);
  });
  const most = dates[figures.indexOf(high)];
  const label = `${name} by day; most on ${day(most)}: ${quantity(byDate.get(most) ?? "0")}`;
  const box = `0 0 ${dates.length * 10} ${HEIGHT + 1}`;
  return element(
    "svg:svg",
    { class: "bars", viewBox: box, preserveAspectRatio: "none", role: "img", "aria-label": label },
    bars,
  );
}
