-- Whether a meter was created with `backfill`.
ALTER TABLE "meter" ADD COLUMN "backfill" BOOLEAN NOT NULL DEFAULT false;
