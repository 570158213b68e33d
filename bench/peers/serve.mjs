// The measured server's side of the protocol (bench/support/measured.ts), for peers, which run with their own dependencies. They are asked
// one query over the subgraphs of bench/gateway, whose callers are identified by short-lived tokens that the benchmark sends.
export const options = JSON.parse(process.argv[2]);
let { tokens } = options;

/** The headers for a subgraph. */
export const headersFor = (subgraph) => ({ [options.header]: tokens[subgraph] });

export function serve(port, stop) {
  process.on("message", (message) => {
    if (message === "usage") process.send({ kind: "usage", ...usage() });
    else if (message === "stop") stop().then(() => process.exit(0));
    else if (message.startsWith("{")) tokens = JSON.parse(message);
  });
  process.once("disconnect", () => process.exit(1));
  process.send({ kind: "listening", port, key: "" });
}

function usage() {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  const [cpuMs, rssMb, peakRssMb] = [
    (userCPUTime + systemCPUTime) / 1e3,
    process.memoryUsage.rss() / 2 ** 20,
    maxRSS / 2 ** 10,
  ];
  return { cpuMs, rssMb, peakRssMb };
}
