-- What a backfill adds, from its preparation until its entry is applied: it may be more than a process's memory. An attempt that came to
-- nothing is deleted by the next one. Unlogged: after a crash of the server the rows are gone, and the backfill is prepared again.
CREATE UNLOGGED TABLE prepared_delta (
  partition     INTEGER NOT NULL,
  attempt       UUID NOT NULL,
  id            BIGSERIAL,
  tenant_id     TEXT NOT NULL,
  seq           BIGINT NOT NULL,
  meter         TEXT NOT NULL,
  hour          BIGINT NOT NULL,
  dimensions    TEXT NOT NULL,
  value         TEXT NOT NULL,
  quantity      NUMERIC NOT NULL,
  event_count   BIGINT NOT NULL,
  last_event_at BIGINT NOT NULL,
  recorded_hour BIGINT NOT NULL,
  times         BYTEA,
  PRIMARY KEY (partition, attempt, id)
);

CREATE UNLOGGED TABLE prepared_count (
  partition INTEGER NOT NULL,
  attempt   UUID NOT NULL,
  id        BIGSERIAL,
  tenant_id TEXT NOT NULL,
  hour      BIGINT NOT NULL,
  counted   BIGINT NOT NULL,
  unmetered BIGINT NOT NULL,
  PRIMARY KEY (partition, attempt, id)
);
