// Shows /openapi.json. Nothing leaves this origin: no online validator, no request before the reader sends one.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#api",
  deepLinking: true,
  validatorUrl: "none",
  queryConfigEnabled: false,
  persistAuthorization: false,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  docExpansion: "list",
  syntaxHighlight: { theme: "idea" },
  requestSnippetsEnabled: false,
});
