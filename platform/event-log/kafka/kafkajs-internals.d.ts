// The parts of kafkajs (pinned to 2.2.4) missing from its public types.

/** A client that fetches from a given offset without a group. Only for `fetch.ts`. */
declare module "kafkajs/src/cluster/index.js" {
  import type { ISocketFactory, KafkaConfig, Logger, RetryOptions } from "kafkajs";

  interface FetchedMessage {
    readonly offset: string;
    readonly key: Buffer | null;
    readonly value: Buffer | null;
    readonly timestamp: string;
    readonly isControlRecord?: boolean;
  }
  interface FetchResponse {
    readonly responses: readonly {
      readonly topicName: string;
      readonly partitions: readonly { readonly partition: number; readonly messages: readonly FetchedMessage[] }[];
    }[];
  }
  interface Broker {
    fetch(request: {
      maxWaitTime: number;
      minBytes: number;
      maxBytes: number;
      isolationLevel: 0 | 1;
      topics: { topic: string; partitions: { partition: number; fetchOffset: string; maxBytes: number }[] }[];
    }): Promise<FetchResponse>;
  }
  export default class Cluster {
    constructor(options: {
      logger: Logger;
      socketFactory: ISocketFactory;
      ssl?: KafkaConfig["ssl"];
      sasl?: KafkaConfig["sasl"];
      brokers: string[];
      clientId: string;
      connectionTimeout: number;
      requestTimeout: number;
      enforceRequestTimeout: boolean;
      metadataMaxAge: number;
      retry: RetryOptions;
      allowAutoTopicCreation: boolean;
    });
    connect(): Promise<void>;
    disconnect(): Promise<void>;
    addTargetTopic(topic: string): Promise<void>;
    refreshMetadata(): Promise<void>;
    refreshMetadataIfNecessary(): Promise<void>;
    findLeaderForPartitions(topic: string, partitions: number[]): Record<string, number[]>;
    findBroker(node: { nodeId: string }): Promise<Broker>;
  }
}

declare module "kafkajs/src/network/socketFactory.js" {
  import type { ISocketFactory } from "kafkajs";

  /** A socket with or without TLS. */
  export default function createSocketFactory(): ISocketFactory;
}

declare module "kafkajs/src/broker/saslAuthenticator/index.js" {
  /** Of one connection. */
  export default class SaslAuthenticator {
    readonly connection: { disconnect(): Promise<unknown> };
    authenticate(): Promise<void>;
  }
}

declare module "kafkajs/src/errors.js" {
  /** Those of the package itself are not among the names that Node sees in it. */
  export { KafkaJSConnectionError } from "kafkajs";
}
