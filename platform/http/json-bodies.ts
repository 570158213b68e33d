import type { FastifyBodyParser, FastifyInstance } from "fastify";
import { MetrlyError } from "#kernel/errors.js";
import { isDeeperThan, MAX_JSON_DEPTH } from "#kernel/json.js";
import { refuseCoded } from "./content-coding.js";

/**
 * Fastify's own parser, for bodies that are not compressed. Refuses what is nested deeper than handlers can walk recursively.
 */
export function parseJson(app: FastifyInstance): FastifyBodyParser<string> {
  const parse = app.getDefaultJsonParser("error", "error");
  return (request, body, done) => {
    const coded = refuseCoded(request.raw);
    if (coded !== undefined) return done(coded);
    return parse(request, body, (error, value) => {
      if (error === null && isDeeperThan(value, MAX_JSON_DEPTH))
        done(new MetrlyError("INVALID", `The body is nested deeper than ${MAX_JSON_DEPTH} levels`));
      else done(error, value);
    });
  };
}
