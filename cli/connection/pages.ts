import { UserError } from "./failure.js";

/** One page of a list of the graph. */
interface Page<Node> {
  readonly nodes: readonly Node[];
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
}

/** What a page is asked for: how many nodes at most, after which one. */
export interface PageRequest {
  readonly first: number;
  readonly after: string | null;
}

/**
 * The nodes of every page of a list, in order. Asks for pages of `first` nodes, and for smaller ones where a page is too large: nodes can be
 * large themselves. Throws what `page` throws, TOO_LARGE only for a single node.
 */
export async function everyPage<Node>(
  page: (request: PageRequest) => Promise<Page<Node>>,
  most = 100,
): Promise<Node[]> {
  const all: Node[] = [];
  let first = most;
  for (let after: string | null = null; ; ) {
    let found: Page<Node>;
    try {
      found = await page({ first, after });
    } catch (error) {
      if (!(error instanceof UserError && error.code === "TOO_LARGE") || first === 1) throw error;
      first = Math.ceil(first / 4);
      continue;
    }
    all.push(...found.nodes);
    if (!found.pageInfo.hasNextPage) return all;
    after = found.pageInfo.endCursor;
  }
}
