import { element } from "./dom.js";
import { messagesOf } from "./graph.js";

const STORED_TENANT = "metrly:tenant";
/** More are not listed: their ids are typed. */
const LISTED = 200;

const TENANTS = `query ExplorerTenants { tenants(first: ${LISTED}) { nodes { id name } pageInfo { hasNextPage } } }`;

/**
 * Which tenant the page is about: the viewer's own, or one that a viewer of several chooses.
 * @param {{ place: HTMLElement, session: object, onChange(): void }} options
 */
export function createTenantChoice({ place, session, onChange }) {
  const choice = {
    /** Null: none is chosen, or nobody is signed in; undefined: it is not known yet. @type {string | null | undefined} */
    id: null,
    /** Why the tenants could not be listed. */
    problem: "",

    /** For another viewer. */
    reset() {
      const { viewer } = session;
      const chooses = viewer !== null && viewer.tenantId === null && viewer.roles.length > 0;
      place.replaceChildren();
      place.hidden = !chooses;
      choice.problem = "";
      const stored = sessionStorage.getItem(STORED_TENANT);
      set(chooses ? (stored ?? (listsTenants() ? undefined : null)) : (viewer?.tenantId ?? null));
      if (chooses && !listsTenants()) offerText([]);
    },

    /** Lists the tenants that exist by now. */
    async refresh() {
      const { viewer } = session;
      if (place.hidden || !listsTenants()) return;
      const answer = await session.ask(TENANTS);
      if (viewer !== session.viewer) return;
      choice.problem = messagesOf(answer);
      if (!answer.data?.tenants) return choice.id === undefined ? onChange() : undefined;
      const { nodes, pageInfo } = answer.data.tenants;
      if (pageInfo.hasNextPage) {
        offerText(nodes);
        return choice.id === undefined ? set(null) : undefined;
      }
      offerList(nodes);
      if (!nodes.some(({ id }) => id === choice.id)) set(nodes[0]?.id ?? null);
    },
  };
  return choice;

  function listsTenants() {
    return session.viewer?.roles.includes("PLATFORM_ADMIN") ?? false;
  }

  function set(id) {
    choice.id = id;
    if (id && !place.hidden) sessionStorage.setItem(STORED_TENANT, id);
    const control = place.querySelector("select, input");
    if (control !== null && control !== document.activeElement) control.value = id ?? "";
    onChange();
  }

  function offerList(nodes) {
    const select = place.querySelector("select") ?? element("select", { onchange: (event) => set(event.target.value) });
    select.replaceChildren(
      ...nodes.map(({ id, name }) => element("option", { value: id }, [name === id ? id : `${name} (${id})`])),
    );
    select.value = choice.id ?? "";
    if (!select.isConnected) place.replaceChildren(element("label", {}, ["Tenant ", select]));
  }

  function offerText(nodes) {
    if (place.querySelector("input") !== null) return;
    const input = element("input", { list: "tenants", placeholder: "a tenant's id", value: choice.id ?? "" });
    input.addEventListener("change", () => set(input.value.trim() || null));
    const names = nodes.map(({ id, name }) => element("option", { value: id }, [name]));
    place.replaceChildren(element("label", {}, ["Tenant ", input]), element("datalist", { id: "tenants" }, names));
  }
}
