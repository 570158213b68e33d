import { element } from "./dom.js";

/**
 * The list of saved operations, in groups; before them the overview.
 * @param {{ place: HTMLElement, tenantId(): string | null, onOverview(): void, onOpen(operation: object): void }} options
 *   `onOpen` gets `name`, `query`, `variables` (text), and `inTenant`, which puts the chosen tenant into edited variables
 */
export function createOperationList({ place, tenantId, onOverview, onOpen }) {
  const buttons = new Map([["overview", element("button", { type: "button", onclick: onOverview }, ["Overview"])]]);
  const saved = new Map();
  let chosenTenant;
  place.append(element("ul", {}, [element("li", {}, [buttons.get("overview")])]));

  return {
    async load() {
      try {
        const answer = await (await fetch("explorer/operations.json")).json();
        chosenTenant = answer.chosenTenant;
        place.append(...answer.groups.map(groupOf));
      } catch {
        place.append(element("p", { role: "alert" }, ["The saved operations did not load. Reload the page."]));
      }
    },
    open,
    /** Marks what is shown. */
    mark(name) {
      for (const [other, button] of buttons) {
        if (other === name) button.setAttribute("aria-current", "true");
        else button.removeAttribute("aria-current");
      }
    },
  };

  function groupOf({ title, final, operations }) {
    const id = `group-${title.toLowerCase().replaceAll(" ", "-")}`;
    return element("section", { class: final && "final", "aria-labelledby": id }, [
      element("h2", { id }, [title]),
      element("ul", {}, operations.map(itemOf)),
    ]);
  }

  function itemOf(operation) {
    const { name, title, kind } = operation;
    const badge = kind === "subscription" ? element("span", { class: "badge" }, ["live"]) : undefined;
    const button = element("button", { type: "button", onclick: () => open(name) }, [
      element("span", {}, [title]),
      badge,
    ]);
    saved.set(name, operation);
    buttons.set(name, button);
    return element("li", {}, [button]);
  }

  function open(name) {
    if (!saved.has(name)) return;
    const { query, variables } = saved.get(name);
    const isForChosen = [variables.tenantId, variables.input?.tenantId].includes(chosenTenant);
    const inTenant = (text) => (isForChosen && tenantId() !== null ? withTenant(text, tenantId()) : text);
    const text = Object.keys(variables).length === 0 ? "" : JSON.stringify(variables, null, 2);
    onOpen({ name, query, variables: inTenant(text), inTenant });
  }
}

/** Every `tenantId` in the variables becomes this one; text that is no JSON stays as it is. */
function withTenant(text, id) {
  try {
    return JSON.stringify(
      JSON.parse(text, (key, value) => (key === "tenantId" ? id : value)),
      null,
      2,
    );
  } catch {
    return text;
  }
}
