// Stryker's test runner: its own for vitest, but for mutants, which one worker of vitest tries one after the other (trials.ts). Not in
// TypeScript: Stryker's processes load it themselves.
import path from "node:path";
import { BroadcastChannel } from "node:worker_threads";

const INSTALLED = new URL("../../.cache/mutation-score/node_modules/@stryker-mutator/", import.meta.url);
const {
  strykerPlugins: [vitest],
} = await import(new URL("vitest-runner/dist/src/index.js", INSTALLED).href);

class TrialsRunner {
  #vitest;
  /** The worker that tries mutants; undefined before the first one. */
  #trials;
  /** By source file: all tests of the files that import it. */
  #related = new Map();

  constructor(vitestRunner) {
    this.#vitest = vitestRunner;
  }

  capabilities() {
    return this.#vitest.capabilities();
  }

  init() {
    return this.#vitest.init();
  }

  dryRun(options) {
    return this.#vitest.dryRun(options);
  }

  async mutantRun({ activeMutant, sandboxFileName, testFilter, hitLimit }) {
    const tests = testFilter ? byFile(testFilter) : await this.#relatedTo(sandboxFileName);
    this.#trials ??= await startTrials(this.#vitest.ctx);
    const { failure, count, hitCount } = await this.#trials.attempt({ mutant: activeMutant.id, tests, hitLimit });
    if (hitCount > hitLimit) return { status: "timeout", reason: `Hit limit reached (${hitCount}/${hitLimit})` };
    if (failure === undefined) return { status: "survived", nrOfTests: count };
    const killedBy = [`${path.relative(process.cwd(), failure.file)}#${failure.name}`];
    return { status: "killed", killedBy, failureMessage: failure.message, nrOfTests: count };
  }

  dispose() {
    return this.#vitest.dispose();
  }

  async #relatedTo(source) {
    const known = this.#related.get(source);
    if (known !== undefined) return known;
    const { ctx } = this.#vitest;
    ctx.config.related = [source];
    const files = (await ctx.getRelevantTestSpecifications()).map(({ moduleId }) => ({ file: moduleId }));
    this.#related.set(source, files);
    return files;
  }
}

/** Tests as the tester names them, e.g. "kernel/money.test.ts#rounds half up". */
function byFile(ids) {
  const names = new Map();
  for (const id of ids) {
    const [file, ...name] = id.split("#");
    const key = path.resolve(file);
    names.set(key, [...(names.get(key) ?? []), name.join("#")]);
  }
  return [...names].map(([file, ofFile]) => ({ file, names: ofFile }));
}

/** Starts a run of vitest that never ends by itself: its worker waits for mutants. */
async function startTrials(ctx) {
  const channel = new BroadcastChannel("mutants");
  const next = () =>
    new Promise((resolve) => {
      channel.onmessage = ({ data }) => resolve(data);
    });
  ctx.config.related = undefined;
  for (const { config } of ctx.projects) config.testNamePattern = undefined;
  ctx.provide("mode", "trials");
  const [{ moduleId }] = await ctx.getRelevantTestSpecifications();
  const isReady = next();
  const ended = ctx.start([moduleId]).then(() => {
    throw new Error("the worker that tries mutants has ended");
  });
  ended.catch(() => "told to whoever waits for a verdict");
  await Promise.race([isReady, ended]);
  return {
    attempt(trial) {
      const verdict = next();
      channel.postMessage(trial);
      return Promise.race([verdict, ended]);
    },
  };
}

const create = (injector) => new TrialsRunner(vitest.factory(injector));
create.inject = vitest.factory.inject;

export const strykerPlugins = [{ kind: vitest.kind, name: "trials", factory: create }];
