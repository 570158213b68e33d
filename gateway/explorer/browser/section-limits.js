import { element } from "./dom.js";
import { minute, percent, perWindow, quantity } from "./figures.js";

export const LIMITS = `query OverviewLimits($tenantId: ID!) {
  tenant(id: $tenantId) {
    plan { id }
    quotas { state used reserved remaining resetAt meterArchived limit { meter unit currency window kind limit } }
  }
  meters { key name unit }
}`;

/** The fullest ones. */
const SHOWN = 8;

const STATES = {
  OK: "has room",
  WARNING: "near the limit",
  DEGRADED: "decided with old figures",
  REBUILDING: "being counted anew",
};

/** A bar for each limit: used, and reserved by what was allowed and is not yet recorded. */
export function showLimits({ plan, quotas }, { nameOf, withUnit }) {
  if (quotas.length === 0)
    return [
      element("p", { class: "quiet" }, [plan === null ? "No plan, so no limits yet." : "The plan has no limits."]),
    ];
  const fullness = ({ used, reserved, limit }) => percent(Number(used) + Number(reserved), limit.limit);
  const fullest = new Set([...quotas].sort((a, b) => fullness(b) - fullness(a)).slice(0, SHOWN));
  const more = quotas.length - fullest.size;
  return [
    ...quotas.filter((quota) => fullest.has(quota)).map((quota) => rowOf(quota, fullness(quota))),
    more > 0 ? element("p", { class: "quiet" }, [`And ${more} with more room.`]) : "",
  ];

  function rowOf({ state, used, reserved, resetAt, meterArchived, limit }, full) {
    const { meter, unit, currency, window, kind } = limit;
    const isMoney = unit === "MONEY";
    const name = `${isMoney ? "Spend" : nameOf(meter)} ${perWindow(window)}`;
    const share = `${quantity(used)} of ${quantity(limit.limit)}`;
    const figures = isMoney ? `${share} ${currency}` : withUnit(share, meter);
    const held = Number(reserved) === 0 ? "" : `, ${quantity(reserved)} reserved`;
    const isOver = Number(used) + Number(reserved) > Number(limit.limit);
    const stands = state === "EXCEEDED" ? (isOver ? "exceeded" : "reached") : (STATES[state] ?? state);
    const said = [
      kind === "HARD" ? "hard: denies what exceeds it" : "soft: only warns",
      meterArchived ? "its meter is archived" : stands,
      ...(Number(used) === 0 ? [] : [`resets ${minute(resetAt)}`]),
    ];
    return element("div", { class: "limit", "data-state": state }, [
      element("p", { class: "line" }, [
        element("span", { class: "name" }, [name]),
        element("span", { class: "number" }, [`${figures}${held} (${full}\u00a0%)`]),
      ]),
      bar(name, percent(used, limit.limit), full, `${figures}${held}, ${said[1]}`),
      element("p", { class: "quiet" }, [said.join(" · ")]),
    ]);
  }
}

function bar(name, used, full, text) {
  const shown = (share) => Math.min(Math.max(share, 0), 100);
  return element(
    "div",
    {
      role: "meter",
      "aria-label": name,
      ...{ "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": shown(full), "aria-valuetext": text },
    },
    [
      element("svg:svg", { class: "gauge", viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" }, [
        element("svg:rect", { class: "room", width: 100, height: 6 }),
        element("svg:rect", { class: "reserved", width: shown(full), height: 6 }),
        element("svg:rect", { class: "used", width: shown(used), height: 6 }),
      ]),
    ],
  );
}
