-- Every key starts with the tenant (or the partition), so that the tables can be sharded by it.

-- Where each consumed partition is read on; moved by compare-and-swap in the transaction of the effect.
CREATE TABLE "consumer_cursor" (
  "topic"       TEXT NOT NULL,
  "partition"   INTEGER NOT NULL,
  "next_offset" BIGINT NOT NULL,
  CONSTRAINT "consumer_cursor_pkey" PRIMARY KEY ("topic", "partition")
);

-- A tenant's counter of notices. Its row lock puts a tenant's numbers in commit order, without holes.
CREATE TABLE "tenant_stream" (
  "tenant_id"   TEXT NOT NULL,
  "last_number" BIGINT NOT NULL DEFAULT 0,
  CONSTRAINT "tenant_stream_pkey" PRIMARY KEY ("tenant_id")
);

-- What happened to a tenant, once per event id, in the order that clients see.
CREATE TABLE "notice" (
  "tenant_id" TEXT NOT NULL,
  "number"    BIGINT NOT NULL,
  "event_id"  TEXT NOT NULL,
  "type"      TEXT NOT NULL,
  "time"      TIMESTAMPTZ(3) NOT NULL,
  "data"      JSON NOT NULL,
  "stored_at" TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  CONSTRAINT "notice_pkey" PRIMARY KEY ("tenant_id", "number")
);
CREATE UNIQUE INDEX "notice_tenant_id_event_id_key" ON "notice" ("tenant_id", "event_id");

CREATE TABLE "webhook_endpoint" (
  "tenant_id"       TEXT NOT NULL,
  "id"              TEXT NOT NULL,
  "url"             TEXT NOT NULL,
  "event_types"     TEXT[] NOT NULL,
  "status"          TEXT NOT NULL DEFAULT 'ENABLED' CHECK ("status" IN ('ENABLED', 'DISABLED')),
  "disabled_reason" TEXT,
  -- Since when every attempt has failed; null after a success.
  "failing_since"   TIMESTAMPTZ(3),
  "created_at"      TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  -- A deleted endpoint keeps its row: its dead letters refer to it.
  "deleted_at"      TIMESTAMPTZ(3),
  CONSTRAINT "webhook_endpoint_pkey" PRIMARY KEY ("tenant_id", "id")
);
CREATE INDEX "webhook_endpoint_id_idx" ON "webhook_endpoint" ("id");

-- Without an expiry: the current one. With one: rotated out, still signed with until then.
CREATE TABLE "webhook_secret" (
  "tenant_id"   TEXT NOT NULL,
  "endpoint_id" TEXT NOT NULL,
  "id"          TEXT NOT NULL,
  "secret"      TEXT NOT NULL,
  "created_at"  TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  "expires_at"  TIMESTAMPTZ(3),
  CONSTRAINT "webhook_secret_pkey" PRIMARY KEY ("tenant_id", "endpoint_id", "id"),
  CONSTRAINT "webhook_secret_tenant_id_endpoint_id_fkey" FOREIGN KEY ("tenant_id", "endpoint_id")
    REFERENCES "webhook_endpoint" ("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE
);

CREATE TABLE "webhook_delivery" (
  "tenant_id"       TEXT NOT NULL,
  "id"              TEXT NOT NULL,
  "endpoint_id"     TEXT NOT NULL,
  "event_id"        TEXT NOT NULL,
  "event_type"      TEXT NOT NULL,
  -- The very text that is signed and sent, the same in every attempt.
  "payload"         TEXT NOT NULL,
  "status"          TEXT NOT NULL DEFAULT 'PENDING' CHECK ("status" IN ('PENDING', 'DELIVERED', 'DEAD')),
  "dead_reason"     TEXT,
  -- The only retry clock. While an attempt runs: when it counts as lost.
  "next_attempt_at" TIMESTAMPTZ(3),
  -- Attempts begun, ever: also the fence against a worker that was given up.
  "attempt_count"   INTEGER NOT NULL DEFAULT 0,
  -- Value of attempt_count at which the running schedule of retries began; a replay starts a new one.
  "schedule_start"  INTEGER NOT NULL DEFAULT 0,
  "created_at"      TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  CONSTRAINT "webhook_delivery_pkey" PRIMARY KEY ("tenant_id", "id"),
  CONSTRAINT "webhook_delivery_state_check" CHECK (
    ("status" = 'PENDING') = ("next_attempt_at" IS NOT NULL) AND ("status" = 'DEAD') = ("dead_reason" IS NOT NULL)),
  CONSTRAINT "webhook_delivery_tenant_id_endpoint_id_fkey" FOREIGN KEY ("tenant_id", "endpoint_id")
    REFERENCES "webhook_endpoint" ("tenant_id", "id") ON DELETE RESTRICT ON UPDATE CASCADE
);
CREATE UNIQUE INDEX "webhook_delivery_tenant_id_endpoint_id_event_id_key" ON "webhook_delivery" ("tenant_id", "endpoint_id", "event_id");
CREATE INDEX "webhook_delivery_tenant_id_endpoint_id_id_idx" ON "webhook_delivery" ("tenant_id", "endpoint_id", "id");
CREATE INDEX "webhook_delivery_id_idx" ON "webhook_delivery" ("id");
CREATE INDEX "webhook_delivery_next_attempt_at_idx" ON "webhook_delivery" ("next_attempt_at");

CREATE TABLE "webhook_attempt" (
  "tenant_id"       TEXT NOT NULL,
  "delivery_id"     TEXT NOT NULL,
  "number"          INTEGER NOT NULL,
  "at"              TIMESTAMPTZ(3) NOT NULL,
  "duration_ms"     INTEGER NOT NULL,
  "response_status" INTEGER,
  "error"           TEXT,
  "response_body"   TEXT,
  CONSTRAINT "webhook_attempt_pkey" PRIMARY KEY ("tenant_id", "delivery_id", "number"),
  CONSTRAINT "webhook_attempt_tenant_id_delivery_id_fkey" FOREIGN KEY ("tenant_id", "delivery_id")
    REFERENCES "webhook_delivery" ("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- Records that are no event we know: kept as they came, so that nothing is dropped and nothing blocks.
CREATE TABLE "poison_record" (
  "topic"      TEXT NOT NULL,
  "partition"  INTEGER NOT NULL,
  "log_offset" BIGINT NOT NULL,
  "key"        BYTEA,
  "value"      BYTEA NOT NULL,
  "error"      TEXT NOT NULL,
  "stored_at"  TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  CONSTRAINT "poison_record_pkey" PRIMARY KEY ("topic", "partition", "log_offset")
);
