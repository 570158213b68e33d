/** Of the versions of produce requests without tagged fields that have a transaction's id. */
const [OLDEST, NEWEST] = [3, 7];
const NOT_ENOUGH_REPLICAS = 19;

/**
 * What a broker answers that refuses a produce request, because too few replicas of its topics are in sync; it stores nothing then. A
 * single broker cannot be made to: Kafka 4 demands no more replicas than a topic has, whatever `min.insync.replicas` says. Both have their
 * lengths first (https://kafka.apache.org/protocol#The_Messages_Produce). Throws for a version that it does not know.
 */
export function refusalOf(request: Buffer): Buffer {
  const version = request.readInt16BE(6);
  if (version < OLDEST || version > NEWEST)
    throw new RangeError(`produce requests of version ${version} are not known`);
  let at = 8;
  const int16 = (): number => {
    at += 2;
    return request.readInt16BE(at - 2);
  };
  const int32 = (): number => {
    at += 4;
    return request.readInt32BE(at - 4);
  };
  const text = (): Buffer => {
    const length = Math.max(0, int16());
    at += length;
    return request.subarray(at - length, at);
  };
  const body: Buffer[] = [];
  const put = (bytes: 2 | 4 | 8, value: number): void => {
    const buffer = Buffer.alloc(bytes);
    if (bytes === 8) buffer.writeBigInt64BE(BigInt(value));
    else buffer.writeIntBE(value, 0, bytes);
    body.push(buffer);
  };
  put(4, int32());
  // The client's id, and the transaction's.
  text();
  text();
  // Acknowledgements and the time-out.
  int16();
  int32();
  const topics = int32();
  put(4, topics);
  for (let topic = 0; topic < topics; topic += 1) {
    const name = text();
    put(2, name.length);
    body.push(name);
    const partitions = int32();
    put(4, partitions);
    for (let partition = 0; partition < partitions; partition += 1) {
      put(4, int32());
      const records = int32();
      at += Math.max(0, records);
      put(2, NOT_ENOUGH_REPLICAS);
      // The base offset, the time of the append, and from version 5 on the offset of the log's start.
      for (let n = 0; n < (version < 5 ? 2 : 3); n += 1) put(8, -1);
    }
  }
  put(4, 0);
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.reduce((sum, part) => sum + part.length, 0));
  return Buffer.concat([length, ...body]);
}
