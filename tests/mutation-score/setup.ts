import fc from "fast-check";

// A mutant that fails is caught: a smaller counterexample tells nothing more.
fc.configureGlobal({ ...fc.readConfigureGlobal(), endOnFailure: true });
