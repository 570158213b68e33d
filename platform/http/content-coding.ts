import type { IncomingMessage } from "node:http";
import { MetrlyError } from "#kernel/errors.js";

/**
 * The content coding of a request's body; `identity`: none. Names of codings have no case, and `x-gzip` is gzip (RFC 9110,
 * 8.4.1).
 */
export function contentCoding({ headers }: Pick<IncomingMessage, "headers">): string {
  const name = (headers["content-encoding"] ?? "").trim().toLowerCase();
  if (name === "") return "identity";
  return name === "x-gzip" ? "gzip" : name;
}

/** UNSUPPORTED_MEDIA_TYPE for a body with a content coding. */
export function refuseCoded(request: Pick<IncomingMessage, "headers">): MetrlyError | undefined {
  return contentCoding(request) === "identity"
    ? undefined
    : new MetrlyError("UNSUPPORTED_MEDIA_TYPE", "The body must not be compressed: leave Content-Encoding out", {
        acceptEncoding: "identity",
      });
}
