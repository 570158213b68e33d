/** The explorer's page. Scripts are files: the content security policy allows no inline scripts. */
export function explorerPage({ demo }: { readonly demo: boolean }): string {
  return `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Metrly explorer</title>
  <link rel="icon" href="data:,">
  <link rel="stylesheet" href="/explorer/graphiql.css">
  <link rel="stylesheet" href="/explorer/explorer.css">
</head>
<body data-demo="${demo ? "on" : "off"}">
  <form id="session">
    <strong>Metrly</strong>
    <span id="who" role="status">Not signed in</span>
    <button id="sign-in" type="button" hidden>Sign in as demo admin</button>
    <input id="token" type="password" autocomplete="off" placeholder="Paste an API key or token" aria-label="API key or token">
    <button type="submit">Sign in</button>
    <button id="sign-out" type="button" hidden>Sign out</button>
  </form>
  <div id="graphiql"><noscript>The explorer needs JavaScript.</noscript></div>
  <script src="/explorer/react.js"></script>
  <script src="/explorer/react-dom.js"></script>
  <script src="/explorer/graphql-ws.js"></script>
  <script src="/explorer/graphiql.js"></script>
  <script src="/explorer/explorer.js"></script>
</body>
</html>
`;
}
