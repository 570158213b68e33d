import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { PrismaPg } from "@prisma/adapter-pg";
import { bindMigrationAwareSqlAdapterFactory, type ColumnType, ColumnTypeEnum } from "@prisma/driver-adapter-utils";
import pg from "pg";

const require = createRequire(import.meta.url);

interface SchemaEngineModule {
  readonly SchemaEngine: { new: (options: object, log: () => void, adapter: object) => Promise<SchemaEngine> };
  __wbg_set_wasm(exports: WasmExports): void;
}

interface WasmExports {
  __wbindgen_start(): void;
}

/** Node's types lack it. */
declare const WebAssembly: {
  instantiate(binary: Uint8Array, imports: object): Promise<{ readonly instance: { readonly exports: WasmExports } }>;
};

interface SchemaEngine {
  diff(params: object): Promise<{ readonly exitCode: number; readonly stdout: string | null }>;
}

let loading: Promise<SchemaEngineModule> | undefined;

/** Loads the engine by hand: the package's entry imports WebAssembly as a module, which Node 20 cannot. */
async function loadEngine(): Promise<SchemaEngineModule> {
  const dir = path.dirname(require.resolve("@prisma/schema-engine-wasm"));
  const glue: SchemaEngineModule = await import(pathToFileURL(path.join(dir, "schema_engine_bg.js")).href);
  const binary = await readFile(path.join(dir, "schema_engine_bg.wasm"));
  const { instance } = await WebAssembly.instantiate(binary, { "./schema_engine_bg.js": { ...glue } });
  glue.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
  return glue;
}

/**
 * Returns the changes that Prisma's schema engine would make to match a database to a schema.prisma; empty: none. The engine
 * compares tables, columns, types, nullability, defaults, keys and indexes; it ignores partial indexes, checks, triggers and
 * views.
 */
export async function differenceFromSchema(url: string, schema: string): Promise<string> {
  loading ??= loadEngine();
  const { SchemaEngine } = await loading;
  const pool = new pg.Pool({ connectionString: url, options: "-c timezone=UTC" });
  try {
    const files = [{ path: "schema.prisma", content: schema }];
    const adapter = bindMigrationAwareSqlAdapterFactory(new CatalogAdapter(pool));
    const engine = await SchemaEngine.new({ datamodels: [["schema.prisma", schema]] }, () => undefined, adapter);
    const { exitCode, stdout } = await engine.diff({
      from: { tag: "schemaDatasource", files, configDir: "." },
      to: { tag: "schemaDatamodel", files },
      script: false,
      exitCode: true,
      shadowDatabaseUrl: null,
      filters: { externalTables: ["public._prisma_migrations"], externalEnums: [] },
    });
    return exitCode === 0 ? "" : (stdout ?? "").trim();
  } finally {
    await pool.end();
  }
}

const TEXT_ARRAY = 1009;
/** Types in the catalog, including "char", which adapter-pg rejects; every other column that the engine reads is text. */
const COLUMN_TYPES: Readonly<Record<number, ColumnType>> = {
  [pg.types.builtins.BOOL]: ColumnTypeEnum.Boolean,
  [pg.types.builtins.CHAR]: ColumnTypeEnum.Character,
  [pg.types.builtins.INT2]: ColumnTypeEnum.Int32,
  [pg.types.builtins.INT4]: ColumnTypeEnum.Int32,
  [pg.types.builtins.INT8]: ColumnTypeEnum.Int64,
  [pg.types.builtins.OID]: ColumnTypeEnum.Int64,
  [TEXT_ARRAY]: ColumnTypeEnum.TextArray,
};

/** A sequence ends at a number that only text can represent. */
const getTypeParser: typeof pg.types.getTypeParser = (oid: number, format?: "text" | "binary") =>
  oid === pg.types.builtins.INT8 ? String : pg.types.getTypeParser(oid, format);

class CatalogAdapter extends PrismaPg {
  private readonly pool: pg.Pool;

  constructor(pool: pg.Pool) {
    super(pool);
    this.pool = pool;
  }

  override async connect() {
    const adapter = await super.connect();
    adapter.queryRaw = async ({ sql, args }) => {
      const { fields, rows } = await this.pool.query<unknown[]>({
        ...{ text: sql, values: args, rowMode: "array", types: { getTypeParser } },
      });
      return {
        columnNames: fields.map((field) => field.name),
        columnTypes: fields.map((field) => COLUMN_TYPES[field.dataTypeID] ?? ColumnTypeEnum.Text),
        rows,
      };
    };
    return adapter;
  }
}
