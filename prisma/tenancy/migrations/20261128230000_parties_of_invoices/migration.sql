-- The parties of invoices: the buyers of each tenant's, with their history, and the installation's seller.
ALTER TABLE "tenant" ADD COLUMN "buyers" JSONB NOT NULL DEFAULT '[]';

CREATE TABLE "seller" (
  "id" TEXT NOT NULL,
  "version" INTEGER NOT NULL,
  "history" JSONB NOT NULL,
  CONSTRAINT "seller_pkey" PRIMARY KEY ("id")
);
