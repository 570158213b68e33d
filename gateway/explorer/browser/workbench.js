import { createLive } from "./live.js";

/** What an empty tab says. */
const BLANK = "# Any operation of the graph: Ctrl-Space completes it, Ctrl-Enter runs it.\n";

/** In the order in which they need each other. */
const SCRIPTS = ["react.js", "react-dom.js", "graphql-ws.js", "graphiql.js"];

/**
 * GraphiQL, loaded when it is first needed: it is forty times as large as the rest of the page.
 * @param {{ place: HTMLElement, session: object, onLive(status: object | null): void, onAnswer(data: unknown): void }} options
 *   `onAnswer`: what the last operation answered; undefined: another tab is shown
 */
export function createWorkbench({ place, session, onLive, onAnswer }) {
  let loading;
  let root;
  let live;
  /** Opens a saved operation in the GraphiQL that is mounted. */
  let openTab;
  let wanted;
  let activeTab;

  return {
    load,
    /** Shows a saved operation: in its tab, which keeps what was edited, or in a new one. */
    async open(operation) {
      wanted = operation;
      await load();
      // Another one may have been opened by then, or the viewer have signed out.
      if (wanted === undefined) return;
      mount();
      if (openTab !== undefined) openWanted();
    },
    /** Ends what runs as the last viewer. */
    reset() {
      onAnswer(undefined);
      live?.dispose();
      live = undefined;
      root?.unmount();
      root = undefined;
      openTab = undefined;
      wanted = undefined;
    },
  };

  function load() {
    const inOrder = () =>
      SCRIPTS.reduce((before, file) => before.then(() => loadScript(file)), loadStyle("graphiql.css"));
    loading ??= inOrder().catch((error) => {
      loading = undefined;
      throw error;
    });
    return loading;
  }

  function mount() {
    if (root !== undefined) return;
    const { React, ReactDOM, GraphiQL } = window;
    const { token } = session;
    live = createLive({ token, onStatus: onLive, onRefused: (message) => session.refused(token, message) });
    root = ReactDOM.createRoot(place);
    root.render(
      React.createElement(
        GraphiQL,
        {
          fetcher,
          onTabChange,
          defaultQuery: BLANK,
          defaultEditorToolsVisibility: "variables",
          isHeadersEditorEnabled: false,
        },
        React.createElement(GraphiQL.Logo, {}, React.createElement(Tabs)),
      ),
    );
  }

  async function answerOf({ query, variables }, operationName) {
    const { status, ...answer } = await session.ask(query, variables ?? {}, operationName);
    if (operationName !== "IntrospectionQuery") onAnswer(answer.data);
    return answer;
  }

  /** GraphiQL calls this for every change in a tab, too. */
  function onTabChange({ activeTabIndex }) {
    if (activeTabIndex !== activeTab) {
      live?.forget();
      onAnswer(undefined);
    }
    activeTab = activeTabIndex;
  }

  function fetcher(request) {
    const { kind, name } = operationOf(request);
    if (kind !== "subscription" && request.operationName !== "IntrospectionQuery") live.forget();
    return kind === "subscription" ? live.observe({ ...request, operationName: name }) : answerOf(request, name);
  }

  /** Renders nothing: lends GraphiQL's tabs to the list of saved operations. */
  function Tabs() {
    const { React, GraphiQL } = window;
    const { tabs, activeTabIndex, addTab, changeTab, queryEditor, variableEditor } = GraphiQL.React.useEditorContext({
      nonNull: true,
    });
    const { stop } = GraphiQL.React.useExecutionContext({ nonNull: true });
    /** What to write into the tab that the last step has made active. */
    const filling = React.useRef(null);
    const [, renderAgain] = React.useState({});
    React.useEffect(() => {
      if (filling.current === null) return;
      const { operation, isOld } = filling.current;
      filling.current = null;
      if (!isOld) queryEditor.setValue(operation.query);
      variableEditor.setValue(isOld ? operation.inTenant(variableEditor.getValue()) : operation.variables);
    });
    React.useEffect(() => {
      place.querySelector(".graphiql-tab-active")?.scrollIntoView({ block: "nearest" });
    }, [activeTabIndex, tabs.length]);
    // Else the comment that tells the task is cut.
    React.useEffect(() => queryEditor?.setOption("lineWrapping", true), [queryEditor]);
    React.useEffect(() => {
      if (!queryEditor || !variableEditor) return;
      openTab = (operation) => {
        stop();
        const at = tabs.findIndex(({ title }) => title === operation.name);
        const isBlank = ["", BLANK.trim()].includes(queryEditor.getValue().trim());
        if (at >= 0) changeTab(at);
        else if (!isBlank) addTab();
        filling.current = { operation, isOld: at >= 0 };
        renderAgain({});
      };
      if (wanted !== undefined) openWanted();
    });
    return null;
  }

  function openWanted() {
    const operation = wanted;
    wanted = undefined;
    openTab(operation);
  }
}

/** The name and kind of the operation to run. GraphiQL knows the text's operations only a moment after it has changed. */
function operationOf({ query, operationName }) {
  try {
    const { definitions } = window.GraphiQL.GraphQL.parse(query);
    const operations = definitions.filter(({ kind }) => kind === "OperationDefinition");
    const named = operations.find(({ name }) => name?.value === operationName);
    return { kind: (named ?? operations[0])?.operation, name: named === undefined ? undefined : operationName };
  } catch {
    // The server says what is wrong.
    return {};
  }
}

const loadScript = (file) => loaded(Object.assign(document.createElement("script"), { src: `explorer/${file}` }));
const loadStyle = (file) =>
  loaded(Object.assign(document.createElement("link"), { rel: "stylesheet", href: `explorer/${file}` }), true);

function loaded(node, first = false) {
  return new Promise((resolve, reject) => {
    node.addEventListener("load", () => resolve());
    node.addEventListener("error", () => reject(new Error(`${node.src || node.href} did not load: try again`)));
    // Before the page's own style, which overrides it.
    if (first) document.head.prepend(node);
    else document.head.append(node);
  });
}
