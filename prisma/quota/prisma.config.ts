export default { schema: "schema.prisma", migrations: { path: "migrations" } };
