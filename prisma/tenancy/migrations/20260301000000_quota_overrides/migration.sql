-- A tenant's limits that stand in for its plan's until a moment, with their history.
ALTER TABLE "tenant" ADD COLUMN "quota_overrides" JSONB NOT NULL DEFAULT '[]';
