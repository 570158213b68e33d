-- When a meter was archived, and the versions between which it was archived earlier.
ALTER TABLE "meter" ADD COLUMN "archived_at" TIMESTAMPTZ(3), ADD COLUMN "archivals" JSONB NOT NULL DEFAULT '[]';
