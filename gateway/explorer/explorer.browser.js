// Runs in the browser: GraphiQL on /graphql, with a token kept in this tab's session storage.
(() => {
  const { React, ReactDOM, GraphiQL, graphqlWs } = window;
  const STORED_TOKEN = "metrly:token";
  const element = (id) => document.getElementById(id);
  const root = ReactDOM.createRoot(element("graphiql"));
  let token = sessionStorage.getItem(STORED_TOKEN);
  let socket;
  let operations = [];

  /** One socket per sign-in: the server binds a socket to the token that opened it. */
  function connect() {
    socket?.dispose();
    const url = new URL("/graphql", location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    socket = graphqlWs.createClient({ url: url.href, lazy: true, connectionParams: authorization });
  }

  const authorization = () => (token ? { authorization: `Bearer ${token}` } : {});

  function render() {
    connect();
    element("who").textContent = token ? "Signed in" : "Not signed in";
    element("sign-in").hidden = token !== null || document.body.dataset.demo !== "on";
    element("sign-out").hidden = token === null;
    root.render(
      React.createElement(GraphiQL, {
        key: token ?? "anonymous",
        fetcher: GraphiQL.createFetcher({ url: "/graphql", headers: authorization(), wsClient: socket }),
        defaultTabs: operations.map(({ query, variables }) => ({
          query,
          variables: Object.keys(variables).length === 0 ? "" : JSON.stringify(variables, null, 2),
        })),
        defaultEditorToolsVisibility: "variables",
        isHeadersEditorEnabled: false,
      }),
    );
  }

  function use(newToken) {
    token = newToken;
    if (token) sessionStorage.setItem(STORED_TOKEN, token);
    else sessionStorage.removeItem(STORED_TOKEN);
    render();
  }

  async function signIn() {
    const response = await fetch("/explorer/session", { method: "POST" });
    const answer = await response.json();
    if (response.ok) use(answer.token);
    else element("who").textContent = answer.detail;
  }

  element("sign-in").addEventListener("click", () => {
    signIn().catch((error) => {
      element("who").textContent = `Sign-in failed: ${error.message}`;
    });
  });
  element("sign-out").addEventListener("click", () => use(null));
  element("session").addEventListener("submit", (event) => {
    event.preventDefault();
    const pasted = element("token").value.trim();
    element("token").value = "";
    if (pasted !== "") use(pasted);
  });

  fetch("/explorer/operations.json")
    .then((response) => response.json())
    .then((saved) => {
      operations = saved;
      render();
    })
    .catch((error) => {
      element("who").textContent = `The saved operations did not load: ${error.message}`;
    });
})();
