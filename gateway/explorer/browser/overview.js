import { element } from "./dom.js";
import { clockTime, minute } from "./figures.js";
import { messagesOf } from "./graph.js";
import { createSections } from "./sections.js";

const RENEW_MS = 10_000;

const HEAD = `query OverviewHead($tenantId: ID!) {
  tenant(id: $tenantId) { id name status currency testClock plan { version plan { name } } }
}`;

/**
 * A read-only view of one tenant: its head, and sections that load and fail each for itself.
 * @param {{ place: HTMLElement, session: object, onAsk(operation: string): void }} options `onAsk` opens a saved operation
 */
export function createOverview({ place, session, onAsk }) {
  const title = element("h1");
  const facts = element("p", { class: "facts" });
  const grid = element("div", { class: "sections" });
  const asOf = element("p", { class: "as-of", role: "status", "aria-live": "off" });
  place.append(title, facts, grid, asOf);
  /** As the choice of the tenant has it. */
  let tenantId = null;
  let problem = "";
  let isShown = false;
  let sections = [];
  let timer;
  document.addEventListener("visibilitychange", renew);

  return {
    /** Another tenant, or another viewer. */
    choose(choice) {
      tenantId = choice.id;
      problem = choice.problem;
      sections = createSections({ session, tenantId });
      grid.replaceChildren(...sections.map(shellOf));
      title.textContent = tenantId ?? "";
      facts.textContent = "";
      asOf.textContent = "";
      renew();
    },
    show(shown) {
      isShown = shown;
      renew();
    },
  };

  async function renew() {
    clearTimeout(timer);
    const { viewer } = session;
    if (!isShown || viewer === null || document.hidden) return;
    if (tenantId === undefined)
      return problem === "" ? explain("Loading the tenants…", "") : explain("The tenants could not be listed", problem);
    if (tenantId === null) return explain(...whyNone(viewer));
    const shown = sections;
    const head = await session.ask(HEAD, { tenantId });
    if (shown !== sections) return;
    const tenant = head.data?.tenant;
    if (tenant === null)
      return explain("No such tenant", `There is no tenant ${tenantId}, or it is not visible to you.`);
    const seconds = `${RENEW_MS / 1000} seconds`;
    if (tenant === undefined) {
      asOf.textContent = `Not refreshed: ${messagesOf(head)}. The next try is in ${seconds}.`;
    } else {
      describe(tenant);
      await Promise.all(shown.map((section) => section.renew()));
      if (shown !== sections) return;
      asOf.textContent = `As of ${clockTime(new Date())}, refreshed every ${seconds}. All days and times are UTC.`;
    }
    asOf.classList.toggle("error", tenant === undefined);
    clearTimeout(timer);
    timer = setTimeout(renew, RENEW_MS);
  }

  function explain(heading, text) {
    title.textContent = heading;
    facts.textContent = text;
    grid.replaceChildren();
    asOf.textContent = "";
  }

  function describe({ id, name, status, currency, plan, testClock }) {
    title.textContent = name;
    const parts = [
      id,
      status.toLowerCase(),
      plan === null ? "no plan yet" : `plan ${plan.plan.name}, version ${plan.version}`,
      currency,
      testClock === null ? null : `test clock at ${minute(testClock)}`,
    ];
    facts.textContent = parts.filter((part) => part !== null).join(" · ");
  }

  function shellOf({ title: heading, operation, message, body }) {
    const id = `section-${operation}`;
    const ask = element("button", { type: "button", class: "link", onclick: () => onAsk(operation) }, ["As a query"]);
    ask.setAttribute("aria-label", `${heading} as a query`);
    return element("section", { "aria-labelledby": id, "data-section": operation }, [
      element("header", {}, [element("h2", { id }, [heading]), ask]),
      message,
      body,
    ]);
  }
}

/** Why there is no tenant to show, and what to do. */
function whyNone({ roles }) {
  if (roles.length === 0)
    return [
      "Nothing to read",
      "This key serves the data plane below /v1. Sign in with a key that has the scope READ or ADMIN.",
    ];
  if (!roles.includes("PLATFORM_ADMIN")) return ["No tenant chosen", "Type a tenant's id above."];
  return ["No tenants yet", "Create a meter, a plan and a tenant: the operations under Set up, in this order."];
}
