import { byId, element } from "./dom.js";
import { createOperationList } from "./operation-list.js";
import { createOverview } from "./overview.js";
import { invoicesIn, paperLinks } from "./paper.js";
import { createSession, describe } from "./session.js";
import { createTenantChoice } from "./tenant-choice.js";
import { createWorkbench } from "./workbench.js";

// The page: a session, a tenant, and one of three views: signing in, the tenant's overview, or operations in GraphiQL.
const isDemo = document.body.dataset.demo === "on";
const session = createSession({ onChange: showSession });
const tenant = createTenantChoice({ place: byId("tenant"), session, onChange: () => overview.choose(tenant) });
const overview = createOverview({ place: byId("overview"), session, onAsk: (name) => list.open(name) });
const workbench = createWorkbench({ place: byId("graphiql"), session, onLive: showLive, onAnswer: showPapers });
const list = createOperationList({
  place: byId("operations"),
  tenantId: () => tenant.id ?? null,
  onOverview: () => view("overview"),
  onOpen: openOperation,
});
let viewer;

function showSession() {
  const { notice, busy } = session;
  byId("who").replaceChildren(...whoIs(session));
  byId("sign-out").hidden = session.viewer === null;
  byId("notice").textContent = notice ?? "";
  byId("notice").hidden = notice === null;
  for (const control of byId("session").elements) control.disabled = busy;
  if (session.viewer !== viewer) showViewer();
  // What was disabled has lost the focus.
  if (notice !== null && document.activeElement === document.body) byId("token").focus();
}

function showViewer() {
  const isFirst = viewer === undefined;
  viewer = session.viewer;
  workbench.reset();
  tenant.reset();
  view("overview");
  if (viewer === null && !isFirst) byId(isDemo ? "sign-in" : "token").focus();
}

function whoIs({ viewer: now, busy }) {
  if (now === null) return [busy ? "Signing in…" : "Not signed in"];
  const { who, role, reach } = describe(now);
  const words = `${role}, ${reach}`;
  return [
    element("span", { class: "roomy" }, ["Signed in as "]),
    element("b", { title: who }, [`${who} `]),
    element("span", { title: words }, [words]),
  ];
}

/** Shows the overview or the workbench; instead of the overview signing in, while nobody is signed in. */
function view(wanted) {
  const shown = wanted === "overview" && session.viewer === null ? "sign-in" : wanted;
  for (const name of ["sign-in", "overview", "workbench"]) byId(`view-${name}`).hidden = name !== shown;
  if (shown !== "workbench") list.mark(shown);
  overview.show(shown === "overview");
  if (shown === "overview") tenant.refresh();
}

async function openOperation(operation) {
  if (session.viewer === null && !isDemo) {
    session.say("Sign in first: the server shows its schema only to callers that it knows.");
    view("overview");
    return byId("token").focus();
  }
  list.mark(operation.name);
  view("workbench");
  try {
    await workbench.open(operation);
  } catch (error) {
    showLive({ state: "ended", text: error.message });
  }
}

function showLive(status) {
  byId("live").hidden = status === null;
  byId("live").dataset.state = status?.state ?? "";
  byId("live").textContent = status?.text ?? "";
}

/** The invoices in an answer, as their customers get them. */
function showPapers(data) {
  const invoices = invoicesIn(data);
  byId("papers").hidden = invoices.length === 0;
  byId("papers").replaceChildren(
    ...invoices.map((invoice) =>
      element("span", {}, [invoice.number ?? invoice.id, " ", ...paperLinks(session, invoice)]),
    ),
  );
}

byId("sign-in").hidden = !isDemo;
byId("sign-in").addEventListener("click", () => session.useDemo());
byId("sign-out").addEventListener("click", () => session.signOut());
byId("session").addEventListener("submit", (event) => {
  event.preventDefault();
  const pasted = byId("token").value.trim();
  byId("token").value = "";
  if (pasted !== "") session.use(pasted);
});
list.load();
session.resume();
// Most visits need GraphiQL; loading it does not delay the first paint.
window.addEventListener("load", () => workbench.load().catch(() => undefined));
