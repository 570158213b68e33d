import { expect, test } from "vitest";
import { pathAt } from "./error-paths.js";

test("an error's path gets the indices that it lacks and keeps what lies below", () => {
  const at = ["tenants", "nodes", 2, "usage"];
  expect(pathAt(at, ["tenants", "nodes", "usage"])).toEqual(at);
  expect(pathAt(at, at)).toEqual(at);
  expect(pathAt(["tenant"], ["tenant", "plan", "limits", 1, "used"])).toEqual(["tenant", "plan", "limits", 1, "used"]);
  expect(pathAt(["nodes", 2, "plan"], ["nodes", "plan", "limits", 0])).toEqual(["nodes", 2, "plan", "limits", 0]);
});

test("a path that has nothing to do with the field's gives way to it", () => {
  expect(pathAt(["tenant", "usage"], ["_entities", 0, "usage"])).toEqual(["tenant", "usage"]);
  expect(pathAt(["a"], [])).toEqual(["a"]);
});
