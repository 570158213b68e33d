// Imported first: the servers and processes that tests share start as an operator starts them, not with `npm test`'s cheap flags, which
// switch optimizing compilers off (tests/support/node-flags.ts, tests/servers/kafka.ts).
process.env.METRLY_TEST_LONG = "on";
