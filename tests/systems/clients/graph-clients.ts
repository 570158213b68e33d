import { ApolloClient, ApolloLink, CombinedGraphQLErrors, gql, HttpLink, InMemoryCache } from "@apollo/client";
import { BatchHttpLink } from "@apollo/client/link/batch-http";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { fetchExchange, subscriptionExchange, Client as UrqlClient } from "@urql/core";
import { GraphQLClient } from "graphql-request";
import { createClient } from "graphql-ws";
import { WebSocket } from "ws";

/** Clients of the graph as their documentation sets them up, each behind the same few functions. */
export interface GraphClient {
  readonly name: string;
  /** The data, or the code of the first error. */
  ask(query: string, variables: Record<string, unknown>): Promise<unknown>;
  /** The first message of a subscription. Absent: the client has none. */
  first?(query: string, variables: Record<string, unknown>): Promise<unknown>;
}

export interface Credentials {
  readonly url: string;
  readonly token: string;
}

// Apollo's link for sockets tells the errors of a global WebSocket, which Node has from version 22 on.
globalThis.WebSocket ??= WebSocket as unknown as typeof globalThis.WebSocket;

const socketOf = ({ url, token }: Credentials) =>
  createClient({
    url: `${url.replace(/^http/, "ws")}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { headers: { Authorization: `Bearer ${token}` } },
  });

const codeOf = (errors: readonly { readonly extensions?: unknown }[] | undefined): unknown =>
  (errors?.[0]?.extensions as { readonly code?: string } | undefined)?.code;

function apolloClient(credentials: Credentials, http: ApolloLink, sockets?: ReturnType<typeof socketOf>): ApolloClient {
  const isSubscription = ({ operationType }: ApolloLink.Operation) => operationType === "subscription";
  const link = sockets === undefined ? http : ApolloLink.split(isSubscription, new GraphQLWsLink(sockets), http);
  return new ApolloClient({
    link,
    cache: new InMemoryCache(),
    clientAwareness: { name: `test of ${credentials.url}` },
  });
}

function apollo(
  credentials: Credentials,
  options: { readonly useGETForQueries?: boolean },
): Pick<GraphClient, "ask" | "first"> {
  const { url, token } = credentials;
  const link = new HttpLink({ uri: `${url}/graphql`, headers: { Authorization: `Bearer ${token}` }, ...options });
  return {
    async ask(query, variables) {
      const client = apolloClient(credentials, link);
      try {
        const document = gql(query);
        const isMutation = query.startsWith("mutation");
        const { data } = isMutation
          ? await client.mutate({ mutation: document, variables })
          : await client.query({ query: document, variables });
        return data;
      } catch (error) {
        if (CombinedGraphQLErrors.is(error)) return codeOf(error.errors);
        throw error;
      } finally {
        client.stop();
      }
    },
    async first(query, variables) {
      const sockets = socketOf(credentials);
      const client = apolloClient(credentials, link, sockets);
      try {
        return await new Promise((resolve, reject) => {
          client.subscribe({ query: gql(query), variables }).subscribe({
            next: ({ data, error }) => (error === undefined ? resolve(data) : reject(error)),
            error: reject,
          });
        });
      } finally {
        client.stop();
        await sockets.dispose();
      }
    },
  };
}

function urql(credentials: Credentials, preferGetMethod: boolean): Pick<GraphClient, "ask" | "first"> {
  const { url, token } = credentials;
  const open = (sockets?: ReturnType<typeof socketOf>) =>
    new UrqlClient({
      url: `${url}/graphql`,
      fetchOptions: { headers: { authorization: `Bearer ${token}` } },
      preferGetMethod,
      exchanges: [
        fetchExchange,
        ...(sockets === undefined
          ? []
          : [
              subscriptionExchange({
                forwardSubscription: ({ query, variables }) => ({
                  subscribe: (sink) => ({
                    unsubscribe: sockets.subscribe(
                      { query: query ?? "", variables: variables ?? {} },
                      { ...sink, next: (result) => sink.next(result as Parameters<typeof sink.next>[0]) },
                    ),
                  }),
                }),
              }),
            ]),
      ],
    });
  return {
    async ask(query, variables) {
      const client = open();
      const isMutation = query.startsWith("mutation");
      const { data, error } = await (isMutation ? client.mutation(query, variables) : client.query(query, variables));
      if (error?.networkError !== undefined) throw error;
      return error === undefined ? data : codeOf(error.graphQLErrors);
    },
    async first(query, variables) {
      const sockets = socketOf(credentials);
      try {
        return await new Promise((resolve, reject) => {
          open(sockets)
            .subscription(query, variables)
            .subscribe(({ data, error }) => (error === undefined ? resolve(data) : reject(error)));
        });
      } finally {
        await sockets.dispose();
      }
    },
  };
}

/** Every client, in each of the ways in which it sends. */
export function graphClients(credentials: Credentials): readonly GraphClient[] {
  const { url, token } = credentials;
  const requests = new GraphQLClient(`${url}/graphql`, {
    headers: { authorization: `Bearer ${token}` },
    errorPolicy: "all",
  });
  return [
    { name: "@apollo/client", ...apollo(credentials, {}) },
    { name: "@apollo/client with GET", ...apollo(credentials, { useGETForQueries: true }) },
    { name: "@urql/core", ...urql(credentials, false) },
    { name: "@urql/core with GET", ...urql(credentials, true) },
    {
      name: "graphql-request",
      async ask(query, variables) {
        const { data, errors } = await requests.rawRequest(query, variables);
        return errors === undefined ? data : codeOf(errors);
      },
    },
  ];
}

/** What Apollo's batching link says of the answer. */
export async function askInBatches({ url, token }: Credentials, queries: readonly string[]): Promise<unknown> {
  const link = new BatchHttpLink({ uri: `${url}/graphql`, headers: { Authorization: `Bearer ${token}` } });
  const client = apolloClient({ url, token }, link);
  try {
    return await Promise.all(queries.map((query) => client.query({ query: gql(query) }))).catch(
      (error: unknown) => error,
    );
  } finally {
    client.stop();
  }
}
