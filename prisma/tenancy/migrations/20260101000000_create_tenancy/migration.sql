CREATE TABLE "tenancy_head" (
  "id" INTEGER NOT NULL CHECK ("id" = 1),
  "version" INTEGER NOT NULL CHECK ("version" >= 0),
  CONSTRAINT "tenancy_head_pkey" PRIMARY KEY ("id")
);
INSERT INTO "tenancy_head" ("id", "version") VALUES (1, 0);

CREATE TABLE "tenant" (
  "id" TEXT NOT NULL,
  "version" INTEGER NOT NULL,
  "name" TEXT NOT NULL,
  "status" TEXT NOT NULL CHECK ("status" IN ('ACTIVE', 'SUSPENDED', 'CLOSED')),
  "created_at" TIMESTAMPTZ(3) NOT NULL,
  "created_in_version" INTEGER NOT NULL,
  "billing_anchor_day" INTEGER NOT NULL CHECK ("billing_anchor_day" BETWEEN 1 AND 28),
  "starts_at" TIMESTAMPTZ(3) NOT NULL,
  "currency" TEXT,
  "test_clock" TIMESTAMPTZ(3),
  "closed_in_version" INTEGER,
  "creation_input" JSONB NOT NULL,
  CONSTRAINT "tenant_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "tenant_created_in_version_key" ON "tenant" ("created_in_version");

CREATE TABLE "tenant_grace" (
  "tenant_id" TEXT NOT NULL,
  "in_version" INTEGER NOT NULL,
  "days" INTEGER NOT NULL CHECK ("days" >= 0),
  CONSTRAINT "tenant_grace_pkey" PRIMARY KEY ("tenant_id", "in_version"),
  CONSTRAINT "tenant_grace_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenant" ("id") ON DELETE RESTRICT ON UPDATE RESTRICT
);

CREATE TABLE "api_key" (
  "id" TEXT NOT NULL,
  "version" INTEGER NOT NULL,
  "tenant_id" TEXT,
  "name" TEXT NOT NULL,
  "prefix" TEXT NOT NULL,
  "hash" TEXT NOT NULL,
  "scopes" TEXT[],
  "test" BOOLEAN NOT NULL,
  "created_at" TIMESTAMPTZ(3) NOT NULL,
  "expires_at" TIMESTAMPTZ(3),
  "revoked_at" TIMESTAMPTZ(3),
  CONSTRAINT "api_key_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "api_key_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenant" ("id") ON DELETE RESTRICT ON UPDATE RESTRICT
);
CREATE UNIQUE INDEX "api_key_hash_key" ON "api_key" ("hash");
CREATE INDEX "api_key_tenant_id_idx" ON "api_key" ("tenant_id");

CREATE TABLE "meter" (
  "id" TEXT NOT NULL,
  "version" INTEGER NOT NULL,
  "name" TEXT NOT NULL,
  "event_type" TEXT NOT NULL,
  "aggregation" TEXT NOT NULL CHECK ("aggregation" IN ('COUNT', 'SUM', 'MAX', 'UNIQUE', 'LATEST')),
  "value_property" TEXT,
  "dimensions" TEXT[],
  "unit" TEXT,
  "created_in_version" INTEGER NOT NULL,
  "archived_in_version" INTEGER,
  "creation_input" JSONB NOT NULL,
  CONSTRAINT "meter_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "meter_created_in_version_key" ON "meter" ("created_in_version");

CREATE TABLE "plan" (
  "id" TEXT NOT NULL,
  "version" INTEGER NOT NULL,
  "name" TEXT NOT NULL,
  "archived" BOOLEAN NOT NULL,
  "created_in_version" INTEGER NOT NULL,
  "creation_input" JSONB NOT NULL,
  CONSTRAINT "plan_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "plan_created_in_version_key" ON "plan" ("created_in_version");

CREATE TABLE "plan_version" (
  "plan_id" TEXT NOT NULL,
  "version" INTEGER NOT NULL,
  "published_at" TIMESTAMPTZ(3) NOT NULL,
  "published_in_version" INTEGER NOT NULL,
  "currency" TEXT NOT NULL,
  "recurring_fee" DECIMAL(30, 12) NOT NULL,
  "minimum_commit" DECIMAL(30, 12) NOT NULL,
  "prices" JSONB NOT NULL,
  "limits" JSONB NOT NULL,
  CONSTRAINT "plan_version_pkey" PRIMARY KEY ("plan_id", "version"),
  CONSTRAINT "plan_version_plan_id_fkey" FOREIGN KEY ("plan_id") REFERENCES "plan" ("id") ON DELETE RESTRICT ON UPDATE RESTRICT
);

CREATE TABLE "plan_assignment" (
  "tenant_id" TEXT NOT NULL,
  "in_version" INTEGER NOT NULL,
  "plan_id" TEXT NOT NULL,
  "plan_version" INTEGER NOT NULL,
  "effective_from" TIMESTAMPTZ(3) NOT NULL,
  "cancelled_in_version" INTEGER,
  CONSTRAINT "plan_assignment_pkey" PRIMARY KEY ("tenant_id", "in_version"),
  CONSTRAINT "plan_assignment_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenant" ("id") ON DELETE RESTRICT ON UPDATE RESTRICT,
  CONSTRAINT "plan_assignment_plan_id_plan_version_fkey" FOREIGN KEY ("plan_id", "plan_version") REFERENCES "plan_version" ("plan_id", "version") ON DELETE RESTRICT ON UPDATE RESTRICT
);

CREATE TABLE "audit_entry" (
  "id" BIGSERIAL NOT NULL,
  "at" TIMESTAMPTZ(3) NOT NULL,
  "actor" TEXT NOT NULL,
  "action" TEXT NOT NULL,
  "target" TEXT NOT NULL,
  "tenant_id" TEXT,
  "before" JSONB,
  "after" JSONB,
  CONSTRAINT "audit_entry_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "audit_entry_tenant_id_id_idx" ON "audit_entry" ("tenant_id", "id");

-- platform/outbox.ts
CREATE TABLE "outbox" (
  "id" BIGSERIAL NOT NULL,
  "topic" TEXT NOT NULL,
  "partition" INTEGER NOT NULL,
  "key" TEXT NOT NULL,
  "value" TEXT NOT NULL,
  "created_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT "outbox_pkey" PRIMARY KEY ("id")
);

-- What is published is what invoices were priced by, and what was audited happened: nobody rewrites either.
CREATE FUNCTION "refuse_rewriting"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END
$$;
CREATE TRIGGER "plan_version_is_immutable" BEFORE UPDATE OR DELETE OR TRUNCATE ON "plan_version"
  FOR EACH STATEMENT EXECUTE FUNCTION "refuse_rewriting"();
CREATE TRIGGER "audit_entry_is_immutable" BEFORE UPDATE OR DELETE OR TRUNCATE ON "audit_entry"
  FOR EACH STATEMENT EXECUTE FUNCTION "refuse_rewriting"();
