"""Judges histories: `python3 tests/oracle/judge [--explain] FILE...` prints one JSON verdict a file. README.md has the form of both."""

from __future__ import annotations

import json
import sys

from alerts import judge_alerts
from credits import judge_credits
from deliveries import judge_deliveries
from history import Malformed, read_history
from invoices import judge_invoices, judge_periods
from plans import judge_changes
from quotas import judge_decisions, judge_quotas
from usage import judge_accounting, judge_answers, judge_totals
from verdicts import Verdicts
from world import World


def judge(lines: list[str]) -> Verdicts:
    verdicts = Verdicts()
    world = World(read_history(lines))
    judge_answers(world, verdicts)
    for tenant in world.tenants.values():
        for part in (judge_changes, judge_totals, judge_accounting, judge_invoices, judge_periods, judge_credits, judge_decisions, judge_quotas, judge_alerts):
            part(world, tenant, verdicts)
    judge_deliveries(world, verdicts)
    return verdicts


def main(arguments: list[str]) -> int:
    explain = "--explain" in arguments
    worst = 0
    for path in [one for one in arguments if one != "--explain"]:
        with open(path, encoding="utf-8") as file:
            try:
                verdicts = judge(file.readlines())
            except Malformed as error:
                print(json.dumps({"file": path, "malformed": str(error)}))
                worst = 2
                continue
        shown = {"file": path, "checked": dict(verdicts.checked), "violations": verdicts.violations}
        print(json.dumps({**shown, "facts": verdicts.facts} if explain else shown))
        worst = max(worst, 1 if verdicts.violations else 0)
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
