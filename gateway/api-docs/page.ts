/** The page of the data plane's documentation. Scripts are files: the content security policy allows no inline scripts. */
export function apiDocsPage(): string {
  return `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Metrly data plane</title>
  <link rel="icon" href="data:,">
  <link rel="stylesheet" href="docs/swagger-ui.css">
  <link rel="stylesheet" href="docs/api-docs.css">
</head>
<body>
  <header>
    <strong>Metrly</strong>
    <span>Data plane</span>
    <nav>
      <a href="openapi.json">OpenAPI 3.1</a>
      <a href="./">GraphQL explorer</a>
    </nav>
  </header>
  <main id="api"><noscript>This page needs JavaScript; <a href="openapi.json">the document</a> does not.</noscript></main>
  <script src="docs/swagger-ui.js"></script>
  <script src="docs/api-docs.js"></script>
</body>
</html>
`;
}
