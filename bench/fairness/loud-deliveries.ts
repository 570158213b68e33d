import { optionsOf, serve, tell } from "../support/measured.js";
import { LOUD, type Loud, loudLoops } from "./rounds.js";
import { openDeliveries, type Place } from "./webhooks.js";

// The loud tenant's deliveries and its receiver, in a process of their own: others' clients do not wait for them.
interface LoudOptions {
  readonly place: Place;
  readonly endpointId: string;
  readonly port: number;
}
const { place, endpointId, port } = optionsOf<LoudOptions>();
const deliveries = await openDeliveries(place, port);
let loud: Loud | undefined;
process.on("message", async (asked) => {
  if (asked === "begin") {
    loud = await loudLoops(() => deliveries.deliver(LOUD, endpointId));
    tell("begun", {});
  }
  if (asked === "end") tell("ended", (await loud?.end()) ?? {});
});
serve({ port, key: "" }, () => deliveries.stop());
