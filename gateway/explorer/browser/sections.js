import { element } from "./dom.js";
import { messagesOf } from "./graph.js";
import { ALERTS, readLastAlerts, showAlerts } from "./section-alerts.js";
import { INVOICES, showInvoices } from "./section-invoices.js";
import { LIMITS, showLimits } from "./section-limits.js";
import { showUsage, USAGE } from "./section-usage.js";

/**
 * The parts of a tenant's overview. Each has the saved operation that tells more, and keeps what it showed last when a later
 * answer fails.
 * @param {{ session: object, tenantId: string | null | undefined }} options
 */
export function createSections({ session, tenantId }) {
  if (!tenantId) return [];
  const read = (query) => () => session.ask(query, { tenantId });
  return [
    section("Usage by day", "UsageByDay", read(USAGE), showUsage),
    section("Limits", "Quotas", read(LIMITS), showLimits),
    section("Last invoices", "Invoices", read(INVOICES), (tenant) => showInvoices(tenant, session)),
    section(
      "Last alerts",
      "Alerts",
      readLastAlerts((after) => session.ask(ALERTS, { tenantId, after })),
      showAlerts,
    ),
  ];
}

function section(title, operation, read, show) {
  const message = element("p", { class: "error", role: "status", hidden: true });
  const body = element("div", { "data-state": "loading" }, [element("p", { class: "quiet" }, ["Loading…"])]);
  let renewing;
  return {
    ...{ title, operation, message, body },
    /** One reading at a time: a call joins the one that runs. */
    renew() {
      renewing ??= readAndShow().finally(() => {
        renewing = undefined;
      });
      return renewing;
    },
  };

  async function readAndShow() {
    const answer = await read();
    const tenant = answer.data?.tenant;
    if (tenant) body.replaceChildren(...show(tenant, namesOf(answer.data.meters)));
    else if (body.dataset.state === "loading") body.replaceChildren();
    delete body.dataset.state;
    message.hidden = Boolean(tenant) && answer.errors === undefined;
    message.textContent = messagesOf(answer);
  }
}

/** Names and units of meters by their keys. A unit that is in the name ("API calls", "call") is not repeated. */
function namesOf(meters = []) {
  const byKey = new Map(meters.map((meter) => [meter.key, meter]));
  return {
    nameOf: (key) => (key === null ? "Requests" : (byKey.get(key)?.name ?? key)),
    withUnit(figure, key) {
      const { name, unit } = byKey.get(key) ?? {};
      return !unit || name.toLowerCase().includes(unit.toLowerCase()) ? figure : `${figure} ${unit}`;
    },
  };
}
