import { element } from "./dom.js";

/**
 * Buttons for an invoice as its customer gets it: its page in a new tab, its PDF as a file. The token stays out of addresses: this
 * page asks with it, and hands on what it got.
 * @param {{ token: string | null, refused(token: string, message: string): void }} session
 * @param {{ id: string, number?: string }} invoice
 */
export function paperLinks(session, { id, number = id }) {
  return [
    link("Page", `Page of invoice ${number}, in a new tab`, openPage),
    link("PDF", `PDF of invoice ${number}`, savePdf),
  ];

  function link(words, label, take) {
    const problem = element("span", { class: "problem", role: "status" });
    const button = element("button", { type: "button", class: "link", onclick }, [words]);
    button.setAttribute("aria-label", label);
    return element("span", {}, [button, problem]);

    async function onclick() {
      button.disabled = true;
      problem.textContent = "";
      try {
        await take();
      } catch (error) {
        problem.textContent = error.message;
      }
      button.disabled = false;
    }
  }

  async function openPage() {
    // Before the answer: browsers block a tab that does not open at the click.
    const tab = window.open("", "_blank");
    if (tab === null) throw new Error("The browser blocked the new tab");
    tab.opener = null;
    try {
      tab.location.replace(await fetched("page"));
    } catch (error) {
      tab.close();
      throw error;
    }
  }

  async function savePdf() {
    const href = await fetched("pdf");
    element("a", { href, download: `${number}.pdf` }).click();
  }

  /** A local address of the invoice's page or PDF, for as long as this page is open. */
  async function fetched(kind) {
    const { token } = session;
    const headers = { authorization: `Bearer ${token}` };
    const response = await fetch(`invoices/${encodeURIComponent(id)}/${kind}`, { headers }).catch(() => {
      throw new Error(`${location.host} does not answer`);
    });
    if (response.ok) return URL.createObjectURL(await response.blob());
    const { detail = `The server answered ${response.status}` } = await response.json().catch(() => ({}));
    if (response.status === 401) session.refused(token, detail);
    throw new Error(detail);
  }
}

/** The invoices in an answer of the graph, each once, the first of them; known by their ids. */
export function invoicesIn(data) {
  const found = new Map();
  const left = [data];
  while (left.length > 0 && found.size < SHOWN) {
    const value = left.shift();
    if (typeof value !== "object" || value === null) continue;
    if (typeof value.id === "string" && value.id.startsWith("inv_") && !found.has(value.id)) found.set(value.id, value);
    left.push(...Object.values(value));
  }
  return [...found.values()];
}

const SHOWN = 6;
