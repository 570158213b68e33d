import { describe } from "vitest";
import { socketConformance } from "./socket.conformance.js";

describe("the WebSocket, with subgraphs in this process", () => socketConformance({ subgraphs: "local" }));
describe("the WebSocket, with subgraphs behind ports", () => socketConformance({ subgraphs: "remote" }));
