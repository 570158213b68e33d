import closeWithGrace from "close-with-grace";
import { type Config, parseConfig } from "#platform/config.js";
import { EmbeddedPostgresError } from "#platform/embedded-postgres.js";
import { createLogger } from "#platform/logger.js";
import { Refusal, reportFailure } from "./failure.js";
import { type RunningSystem, startSystem } from "./system.js";

const DRAIN_MS = 10_000;

/** `metrly all`: the whole system in one process, until a signal or a failure ends it. Exit code 0 only when all is well. */
export async function runAll(env: Readonly<Record<string, string | undefined>>): Promise<void> {
  const config = parseConfig(env);
  const logger = createLogger(config.logLevel);
  let failed = false;
  const onTimeout = () => logger.fatal(`not drained within ${DRAIN_MS / 1000} s`);
  const grace = closeWithGrace({ delay: DRAIN_MS, logger: false, onTimeout }, async ({ err, signal }) => {
    if (err !== undefined) {
      failed = true;
      logger.fatal({ err }, "stopping after a failure");
    } else if (signal !== undefined) {
      logger.info({ signal }, "stopping");
    }
    await starting.then(
      (system) => system.stop(),
      () => undefined,
    );
    if (failed) process.exit(1);
  });
  const starting = startSystem({
    config,
    logger,
    fail(error) {
      failed = true;
      logger.fatal({ err: error }, "a failure that must not be passed over");
      grace.close();
    },
  });
  try {
    await announce(config, await starting, env);
  } catch (error) {
    grace.uninstall();
    await starting.then(
      (system) => system.stop(),
      () => undefined,
    );
    reportFailure(error instanceof EmbeddedPostgresError ? new Refusal(error.message) : error);
    process.exit(1);
  }
}

async function announce(
  config: Config,
  system: RunningSystem,
  env: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  if (!config.demo) {
    process.stdout.write(`Metrly is ready: ${system.url}\n`);
    return;
  }
  const { startDemo } = await import("./demo/demo.js");
  const demo = await startDemo({ url: system.url, config, logger: system.logger, env });
  system.beforeStop(() => demo.stop());
}
