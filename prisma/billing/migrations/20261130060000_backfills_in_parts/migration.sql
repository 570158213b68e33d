-- A backfill's effect until the transaction of its entry moves it to usage_delta and usage_count: it may be larger than memory. A partition's rows
-- are of its one attempt, which another process replaces when it was not heard of for some time; its rows then go.
CREATE TABLE backfill_attempt (
  partition   INTEGER PRIMARY KEY,
  attempt     BIGSERIAL NOT NULL,
  alive_until TIMESTAMPTZ NOT NULL
);

-- What consecutive entries add to cells, and beside it what their voids take from them.
CREATE TABLE backfill_part (
  partition  INTEGER NOT NULL,
  place      BIGINT NOT NULL,
  tenant_id  TEXT NOT NULL,
  hour       BIGINT NOT NULL,
  dimensions TEXT NOT NULL,
  value      TEXT NOT NULL,
  is_voids   BOOLEAN NOT NULL,
  quantity   NUMERIC NOT NULL,
  times      BYTEA NOT NULL,  -- as in usage_delta, but also of a single event
  PRIMARY KEY (partition, place)
);

-- The parts of each cell together: a row of usage_delta each.
CREATE TABLE backfill_delta (
  partition     INTEGER NOT NULL,
  place         BIGINT NOT NULL,
  tenant_id     TEXT NOT NULL,
  hour          BIGINT NOT NULL,
  dimensions    TEXT NOT NULL,
  value         TEXT NOT NULL,
  quantity      NUMERIC NOT NULL,
  event_count   BIGINT NOT NULL,
  last_event_at BIGINT NOT NULL,
  times         BYTEA,
  PRIMARY KEY (partition, place)
);

-- Events that are counted from now on and were unmetered, by the hour in which they were received.
CREATE TABLE backfill_count (
  partition INTEGER NOT NULL,
  place     BIGINT NOT NULL,
  tenant_id TEXT NOT NULL,
  hour      BIGINT NOT NULL,
  counted   BIGINT NOT NULL,
  PRIMARY KEY (partition, place)
);

ALTER TABLE backfill_part ALTER COLUMN times SET STORAGE EXTERNAL;
ALTER TABLE backfill_delta ALTER COLUMN times SET STORAGE EXTERNAL;
