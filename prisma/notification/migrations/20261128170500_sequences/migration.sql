-- Positions without gaps: of a notice in its tenant's stream of such notices, and of a delivery among those created for its endpoint.
-- What a process of an older release adds meanwhile has 0.
CREATE TABLE "notice_sequence" (
  "tenant_id" TEXT NOT NULL,
  "stream" TEXT NOT NULL,
  "last" BIGINT NOT NULL,
  PRIMARY KEY ("tenant_id", "stream")
);
ALTER TABLE "notice" ADD COLUMN "sequence" BIGINT NOT NULL DEFAULT 0;
UPDATE "notice" n SET "sequence" = s.position
  FROM (SELECT "tenant_id", "number", row_number() OVER (
          PARTITION BY "tenant_id", CASE WHEN "type" LIKE 'quota.%' THEN 'quota' ELSE "type" END ORDER BY "number") AS position
          FROM "notice") s
 WHERE s."tenant_id" = n."tenant_id" AND s."number" = n."number";
INSERT INTO "notice_sequence" ("tenant_id", "stream", "last")
SELECT "tenant_id", CASE WHEN "type" LIKE 'quota.%' THEN 'quota' ELSE "type" END, count(*) FROM "notice" GROUP BY 1, 2;

CREATE TABLE "endpoint_sequence" (
  "tenant_id" TEXT NOT NULL,
  "endpoint_id" TEXT NOT NULL,
  "last" BIGINT NOT NULL,
  PRIMARY KEY ("tenant_id", "endpoint_id")
);
ALTER TABLE "webhook_delivery" ADD COLUMN "endpoint_sequence" BIGINT NOT NULL DEFAULT 0;
UPDATE "webhook_delivery" d SET "endpoint_sequence" = s.position
  FROM (SELECT "tenant_id", "id", row_number() OVER (PARTITION BY "tenant_id", "endpoint_id" ORDER BY "id") AS position
          FROM "webhook_delivery") s
 WHERE s."tenant_id" = d."tenant_id" AND s."id" = d."id";
INSERT INTO "endpoint_sequence" ("tenant_id", "endpoint_id", "last")
SELECT "tenant_id", "endpoint_id", count(*) FROM "webhook_delivery" GROUP BY 1, 2;
