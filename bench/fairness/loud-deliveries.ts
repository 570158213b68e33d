import { optionsOf } from "../support/measured.js";
import { LOUD, loudLoops } from "./rounds.js";
import { openDeliveries, type Place } from "./webhooks.js";

// The loud tenant's deliveries and its receiver, in a process of their own: others' clients do not wait for them.
interface LoudOptions {
  readonly place: Place;
  readonly endpointId: string;
  readonly port: number;
  readonly seconds: number;
}
const { place, endpointId, port, seconds } = optionsOf<LoudOptions>();
const deliveries = await openDeliveries(place, port);
console.log(JSON.stringify(await loudLoops(() => deliveries.deliver(LOUD, endpointId), seconds)));
await deliveries.stop();
