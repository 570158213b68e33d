"""Documents of invoices: what is hashed is what is shown, and each names the hash of the one before."""

from __future__ import annotations

import json
from typing import Any

from history import Entry
from prices import number
from times import milliseconds
from verdicts import Verdicts
from world import Tenant


def judge_document(tenant: Tenant, shown: dict, look: Entry, verdicts: Verdicts) -> None:
    """An invoice is its document; the fields beside it are read from it."""
    document = json.loads(shown["document"])
    pairs = {
        "id": (document.get("id"), shown["id"]),
        "tenantId": (document.get("tenantId"), tenant.id),
        "period": (_moment(document.get("period"), "start"), milliseconds(shown["period"]["start"])),
        "total": (_number(document.get("total")), number(shown["total"]["amount"])),
        "lines": ([_line(line) for line in document.get("lines") or []], [_line(line) for line in shown["lines"]]),
    }
    if shown["period"].get("end") is not None:
        pairs["end"] = (_moment(document.get("period"), "end"), milliseconds(shown["period"]["end"]))
    if shown["total"].get("currency") is not None:
        pairs["currency"] = (document.get("currency"), shown["total"]["currency"])
    wrong = [name for name, (said, is_shown) in pairs.items() if said != is_shown]
    verdicts.fact(f"content of a document: {shown['id']}", "what is shown of it", ", ".join(wrong) or "the same", [look.line], not wrong)


def judge_chain(look: Entry, verdicts: Verdicts) -> None:
    before = None
    for one in sorted((one for one in look.answer if one.get("document") is not None), key=lambda one: one["id"]):
        said = json.loads(one["document"]).get("previousSha256")
        if before is not None:
            verdicts.fact(f"chain of documents: {one['id']}", before["sha256"], said, [look.line], said == before["sha256"])
        before = one


def _line(line: dict) -> tuple:
    """Of the document, whose amount is text, or as the graph shows it."""
    amount = line["amount"]["amount"] if isinstance(line["amount"], dict) else line["amount"]
    where = tuple(sorted((one["dimension"], one["value"]) for one in line.get("dimensions") or []))
    return (line["kind"], line.get("meter"), line.get("grantId"), where, number(line["quantity"]), number(amount))


def _moment(period: Any, name: str) -> Any:
    return milliseconds(period[name]) if isinstance(period, dict) and isinstance(period.get(name), str) else None


def _number(value: Any) -> Any:
    return number(value) if isinstance(value, str) else None
