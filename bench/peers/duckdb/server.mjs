import { DuckDBInstance } from "@duckdb/node-api";
import { options, serve } from "./serve.mjs";

// DuckDB in a file, with its defaults: all cores. It runs the named statement when it is asked.
const instance = await DuckDBInstance.create(options.file);
const connection = await instance.connect();
await connection.run(options.create);
process.on("message", async (message) => {
  const statement = options.statements[message];
  if (statement === undefined) return;
  const reader = await connection.runAndReadAll(statement);
  process.send({ kind: "ran", rows: reader.currentRowCount });
});
serve(0, async () => {
  connection.closeSync();
  instance.closeSync();
});
