-- Ingestion's database. Every primary key starts with the partition of usage.received, by which it can be sharded.
-- Instants are epoch milliseconds. Keys and fingerprints are 16 bytes of SHA-256, stored as uuid: fixed size, no header.

-- Where the recorder of a partition stands. Its row is the partition's lock: who holds it is the one who records.
CREATE TABLE recorder_cursor (
  partition           INTEGER NOT NULL PRIMARY KEY,
  -- Offset in usage.received that is recorded next.
  next                BIGINT NOT NULL,
  -- Last ledger position given out; 0: none.
  seq                 BIGINT NOT NULL,
  -- Newest tenancy version that an entry was stamped with: stamps never go back.
  tenancy_version     BIGINT NOT NULL,
  -- Log time of the last recorded record: what was acknowledged before is recorded.
  recorded_through_ms BIGINT NOT NULL,
  -- Hash of the record at next - 1: a recreated topic is recognised by it.
  last_record         UUID,
  CHECK (next >= 0 AND seq >= 0)
) WITH (fillfactor = 50);

-- What of the ledger is known to be in usage.recorded. Apart from the recorder's cursor, so that the two don't wait for each other.
CREATE TABLE publisher_cursor (
  partition INTEGER NOT NULL PRIMARY KEY,
  published BIGINT NOT NULL
) WITH (fillfactor = 50);

-- The source of truth: events and control records in the order that everything downstream is derived in.
CREATE TABLE ledger (
  seq             BIGINT NOT NULL,
  recorded_at_ms  BIGINT NOT NULL,
  received_at_ms  BIGINT,
  time_ms         BIGINT,
  tenancy_version BIGINT NOT NULL,
  partition       INTEGER NOT NULL,
  -- event, tick, close, void, backfill
  kind            TEXT NOT NULL,
  -- Null: concerns every tenant.
  tenant_id       TEXT,
  source          TEXT,
  id              TEXT,
  type            TEXT,
  -- Events: canonical JSON of `data`. Control records: JSON of what is particular to their kind.
  data            TEXT NOT NULL,
  PRIMARY KEY (partition, seq)
);
CREATE INDEX ledger_of_tenant ON ledger (partition, tenant_id, seq);

CREATE FUNCTION refuse_ledger_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the ledger is append-only: % is refused', TG_OP USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER ledger_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_ledger_change();

-- Every (tenant, source, id) ever seen, for ever: what makes counting twice impossible.
CREATE TABLE usage_key (
  partition   INTEGER NOT NULL,
  key         UUID NOT NULL,
  fingerprint UUID NOT NULL,
  -- Null: held by a quarantined event.
  seq         BIGINT,
  PRIMARY KEY (partition, key)
);

-- How often an event came again; only those that did.
CREATE TABLE usage_duplicate (
  partition INTEGER NOT NULL,
  key       UUID NOT NULL,
  count     BIGINT NOT NULL,
  PRIMARY KEY (partition, key)
);

CREATE TABLE quarantined_event (
  partition      INTEGER NOT NULL,
  key            UUID NOT NULL,
  fingerprint    UUID NOT NULL,
  -- Order of arrival, for pages.
  position       BIGINT GENERATED ALWAYS AS IDENTITY,
  tenant_id      TEXT NOT NULL,
  source         TEXT NOT NULL,
  id             TEXT NOT NULL,
  type           TEXT NOT NULL,
  time_ms        BIGINT NOT NULL,
  received_at_ms BIGINT NOT NULL,
  data           TEXT NOT NULL,
  -- CONFLICT, VALUE_INVALID
  reason         TEXT NOT NULL,
  detail         TEXT NOT NULL,
  -- CONFLICT: the recorded event that has the key; null when that one is quarantined itself.
  recorded_seq   BIGINT,
  -- QUARANTINED, ACCEPTED, REFUSED
  status         TEXT NOT NULL,
  resolution     TEXT,
  resolved_by    TEXT,
  resolved_at_ms BIGINT,
  PRIMARY KEY (partition, key, fingerprint)
);
CREATE INDEX quarantined_event_of_tenant ON quarantined_event (partition, tenant_id, position);

CREATE TABLE voided_event (
  partition INTEGER NOT NULL,
  event_seq BIGINT NOT NULL,
  void_seq  BIGINT NOT NULL,
  reason    TEXT NOT NULL,
  actor     TEXT NOT NULL,
  PRIMARY KEY (partition, event_seq)
);

-- Items of the log by what became of them: accepted = recorded + duplicates + quarantined, per tenant and hour of arrival.
CREATE TABLE usage_account (
  partition   INTEGER NOT NULL,
  tenant_id   TEXT NOT NULL,
  hour_ms     BIGINT NOT NULL,
  accepted    BIGINT NOT NULL,
  recorded    BIGINT NOT NULL,
  duplicates  BIGINT NOT NULL,
  quarantined BIGINT NOT NULL,
  PRIMARY KEY (partition, tenant_id, hour_ms),
  CHECK (accepted = recorded + duplicates + quarantined)
) WITH (fillfactor = 70);

-- Records that nothing can be made of, with their bytes: they never block and never disappear.
CREATE TABLE poison_record (
  partition  INTEGER NOT NULL,
  log_offset BIGINT NOT NULL,
  value      BYTEA NOT NULL,
  error      TEXT NOT NULL,
  seen_at_ms BIGINT NOT NULL,
  PRIMARY KEY (partition, log_offset)
);
