import { ask, messagesOf } from "./graph.js";

const STORED_TOKEN = "metrly:token";

/** @typedef {{ id: string, kind: "API_KEY" | "USER", roles: string[], tenantId: string | null }} Viewer */

/**
 * Who is signed in: a token in this tab's session storage, and what the server says about it.
 * @param {{ onChange(): void }} options called when `token`, `viewer` or `notice` has changed
 */
export function createSession({ onChange }) {
  const session = {
    /** @type {string | null} */ token: null,
    /** Null while signed out. @type {Viewer | null} */ viewer: null,
    /** Why the last sign-in failed or ended. @type {string | null} */ notice: null,
    /** Whether an answer of the server is awaited. */ busy: false,

    /** Signs in as the owner of an API key or token, if the server accepts it. */
    async use(token) {
      if (!/^[\x21-\x7e]+$/.test(token))
        return set({ notice: "This is no key or token: it contains spaces, or characters that neither has." });
      set({ token: null, viewer: null, notice: null, busy: true });
      await check(token);
    },

    /** In demo mode: the administrator of the demo. */
    async useDemo() {
      set({ notice: null, busy: true });
      try {
        const response = await fetch("explorer/session", { method: "POST" });
        const answer = await response.json();
        if (response.ok) return await session.use(answer.token);
        set({ notice: answer.detail, busy: false });
      } catch {
        set({ notice: `${location.host} does not answer. Is Metrly running?`, busy: false });
      }
    },

    /** Signs in again after a reload. */
    async resume() {
      const token = sessionStorage.getItem(STORED_TOKEN);
      if (token !== null) await check(token);
      else set({});
    },

    signOut() {
      sessionStorage.removeItem(STORED_TOKEN);
      set({ token: null, viewer: null, notice: null });
    },

    /** An answer refused `token`: unless another one is in use by now, the session has ended. */
    refused(token, message) {
      if (token === null || token !== session.token) return;
      session.signOut();
      set({
        notice: `You are signed out, because the server no longer accepts your key or token: ${message}. Sign in again.`,
      });
    },

    /** Tells the signed-out why they should sign in. */
    say: (notice) => set({ notice }),

    /** Asks the graph as the viewer. */
    async ask(query, variables, operationName) {
      const { token } = session;
      const answer = await ask(token, query, variables, operationName);
      if (answer.status === 401) session.refused(token, messagesOf(answer));
      return answer;
    },
  };
  return session;

  async function check(token) {
    const answer = await ask(token, "query ExplorerViewer { viewer { id kind roles tenantId } }");
    if (answer.data?.viewer) {
      sessionStorage.setItem(STORED_TOKEN, token);
      return set({ token, viewer: answer.data.viewer, busy: false });
    }
    if (answer.status === 401) sessionStorage.removeItem(STORED_TOKEN);
    const told = messagesOf(answer);
    const notice =
      answer.status === 401
        ? `The server refused this key or token: ${told}. Check that it is complete, belongs to this installation and is neither expired nor revoked.`
        : `Signing in did not succeed: ${told}. Reload the page, or try again.`;
    set({ notice, busy: false });
  }

  function set(change) {
    Object.assign(session, change);
    onChange();
  }
}

const ROLES = { PLATFORM_ADMIN: "platform administrator", TENANT_ADMIN: "administrator", TENANT_VIEWER: "viewer" };

/** Who it is, as what, and for which tenant. @param {Viewer} viewer */
export function describe({ id, kind, roles, tenantId }) {
  const who = kind === "API_KEY" ? `API key ${id}` : id;
  const scope = roles.some((role) => role.endsWith("_ADMIN")) ? "ADMIN" : "READ";
  const named = roles.map((role) => ROLES[role] ?? role).join(", ");
  const role =
    roles.length === 0 ? "no role here (its scopes are for /v1)" : kind === "API_KEY" ? `${named} (${scope})` : named;
  return { who, role, reach: tenantId === null ? "all tenants" : `tenant ${tenantId}` };
}
