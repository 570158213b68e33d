/** The services, each with a database and a part of the graph of its own. */
export const SERVICES = ["tenancy", "ingestion", "quota", "billing", "notification"] as const;
export type Service = (typeof SERVICES)[number];
