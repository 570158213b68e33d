// A codegen plugin: each operation as a typed constant without runtime dependencies.
import { print } from "graphql";

export function plugin(_schema, files) {
  const operations = files.flatMap(({ document }) => document.definitions);
  const constants = operations.map((operation) => {
    const type = operation.name.value;
    const kind = operation.operation[0].toUpperCase() + operation.operation.slice(1);
    const constant = type[0].toLowerCase() + type.slice(1);
    return `export const ${constant}: Operation<${type}${kind}, ${type}${kind}Variables> = \`${print(operation)}\`;`;
  });
  return { prepend: ['import type { Operation } from "./operation.js";'], content: constants.join("\n\n") };
}
