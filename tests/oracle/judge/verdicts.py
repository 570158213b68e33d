"""What a judge says: how much it looked at, and what cannot be true, with the lines that prove it."""

from __future__ import annotations

from collections import Counter
from typing import Iterable


class Verdicts:
    def __init__(self) -> None:
        self.checked: Counter = Counter()
        self.violations: list[dict] = []
        self.facts: list[dict] = []

    def fact(self, what: str, allowed: object, observed: object, lines: Iterable[int], holds: bool) -> bool:
        """Judges one observation: `allowed` says what must or may be true. Returns whether it holds."""
        rule = what.split(":")[0]
        self.checked[rule] += 1
        known = sorted(set(lines))
        self.facts.append({"what": what, "allowed": str(allowed), "observed": str(observed), "lines": known[:20]})
        if not holds:
            self.violations.append({"rule": rule, "text": f"{what}: {observed}, where only this can be true: {allowed}", "lines": known[:20]})
        return holds

    def refuse(self, rule: str, text: str, lines: Iterable[int]) -> None:
        self.checked[rule] += 1
        self.violations.append({"rule": rule, "text": f"{rule}: {text}", "lines": sorted(set(lines))[:20]})

    def passed(self, rule: str) -> None:
        self.checked[rule] += 1
