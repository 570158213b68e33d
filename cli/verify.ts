import type { Env } from "#platform/process/config.js";
import { askGraph, type ConnectionOptions, findConnection } from "./connection/connection.js";
import { naming, UserError } from "./connection/failure.js";
import { graphql } from "./graphql/index.js";
import { invoicesAdvice } from "./show/print.js";

const VERIFY = graphql(`
  query Verify($id: ID!) { verifyInvoice(id: $id) { matches expectedSha256 checkedEvents differences } }
`);

export async function verifyInvoice(
  id: string,
  options: ConnectionOptions & { readonly json?: boolean },
  env: Env,
): Promise<void> {
  const connection = await findConnection(options, env);
  const { verifyInvoice: result } = await naming(
    `invoice ${id}`,
    invoicesAdvice(),
    askGraph(connection, VERIFY, { id }),
  );
  if (options.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else if (result.matches)
    process.stdout.write(
      `${id} matches: recomputed from ${result.checkedEvents} events\nsha256 ${result.expectedSha256}\n`,
    );
  if (result.matches) return;
  throw new UserError(`${id} differs from the ledger:\n${result.differences.map((d) => `  - ${d}`).join("\n")}`);
}
