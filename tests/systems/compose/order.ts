import type { Compose, ComposeService } from "./compose-file.js";

type Visit = (name: string, service: ComposeService) => Promise<void>;

/** Visits each service after all its dependencies, otherwise concurrently: the order of `docker compose up`. */
export function inStartOrder(compose: Compose, visit: Visit): Promise<void> {
  return visitAll(compose, (_, service) => Object.keys(service.depends_on ?? {}), visit);
}

/** Visits each service after all its dependents: the order of `docker compose stop`. */
export function inStopOrder(compose: Compose, visit: Visit): Promise<void> {
  const dependents = (name: string) =>
    Object.entries(compose.services)
      .filter(([, service]) => name in (service.depends_on ?? {}))
      .map(([dependent]) => dependent);
  return visitAll(compose, dependents, visit);
}

async function visitAll(
  { services }: Compose,
  firstOf: (name: string, service: ComposeService) => readonly string[],
  visit: Visit,
): Promise<void> {
  const visits = new Map<string, Promise<void>>();
  function visited(name: string, path: readonly string[]): Promise<void> {
    const service = services[name];
    if (service === undefined || path.includes(name)) throw new Error(`depends_on: ${[...path, name].join(" -> ")}`);
    const known = visits.get(name);
    if (known !== undefined) return known;
    const first = firstOf(name, service).map((other) => visited(other, [...path, name]));
    const done = Promise.all(first).then(() => visit(name, service));
    visits.set(name, done);
    return done;
  }
  const outcomes = await Promise.allSettled(Object.keys(services).map((name) => visited(name, [])));
  const failed = outcomes.find((outcome) => outcome.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}
