/** The explorer's page. Scripts are files: the content security policy allows no inline scripts. */
export function explorerPage({ demo }: { readonly demo: boolean }): string {
  return `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>Metrly explorer</title>
  <link rel="icon" href="data:,">
  <link rel="stylesheet" href="explorer/explorer.css">
  <link rel="stylesheet" href="explorer/overview.css">
  <script type="module" src="explorer/explorer.js"></script>
</head>
<body data-demo="${demo ? "on" : "off"}">
  <a id="skip" href="#main">Skip the list of operations</a>
  <header id="bar">
    <strong>Metrly</strong>
    <div id="tenant" hidden></div>
    <a href="docs" title="Events and quota: the API below /v1">API docs</a>
    <p id="who" role="status">Not signed in</p>
    <button id="sign-out" type="button" hidden>Sign out</button>
  </header>
  <div id="page">
    <nav id="operations" aria-label="Overview and saved operations"></nav>
    <main id="main" tabindex="-1">
      <noscript><p>The explorer needs JavaScript.</p></noscript>
      <section id="view-sign-in" aria-labelledby="sign-in-title" hidden>
        <form id="session">
          <h1 id="sign-in-title">Sign in</h1>
          <p>See a tenant's usage, limits, invoices and alerts, and run every operation of the graph.</p>
          <p id="notice" role="alert" hidden></p>
          <button id="sign-in" type="button" class="primary" hidden>Sign in as demo admin</button>
          <label for="token">API key or token</label>
          <div class="row">
            <input id="token" type="password" autocomplete="off" spellcheck="false" aria-describedby="token-help">
            <button type="submit">Sign in</button>
          </div>
          <p id="token-help" class="quiet">A key with the scope READ or ADMIN, or a token. The platform administrator's is in the file
            <code>admin-token</code> of the data directory. What you enter stays in this browser tab.</p>
        </form>
      </section>
      <section id="view-overview" aria-label="Overview of the tenant" hidden><div id="overview"></div></section>
      <section id="view-workbench" aria-label="Operations" hidden>
        <p id="live" role="status" hidden></p>
        <p id="papers" hidden></p>
        <div id="graphiql"></div>
      </section>
    </main>
  </div>
</body>
</html>
`;
}
