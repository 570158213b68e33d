/** Largest document read from an OpenID Connect provider. */
export const MAX_DOCUMENT_BYTES = 65_536;

/**
 * `fetch` of one of the provider's documents, whose body is read before this resolves, so that the caller's signal covers it.
 * Rejects for a body with more than `MAX_DOCUMENT_BYTES`, as soon as one byte more has arrived.
 */
export async function fetchDocument(url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  const { status, headers } = response;
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > MAX_DOCUMENT_BYTES) throw new Error(`${url} has more than ${MAX_DOCUMENT_BYTES} bytes`);
    chunks.push(chunk);
  }
  return new Response(chunks.length === 0 ? null : Buffer.concat(chunks), { status, headers });
}
