"""What a quantity costs, by docs/pricing.md: fractions throughout, one rounding at the end."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from typing import Any

#: Minor digits of ISO 4217 where they are not two.
MINOR_DIGITS = {"JPY": 0, "KRW": 0, "CLP": 0, "VND": 0, "KWD": 3, "BHD": 3, "JOD": 3, "TND": 3, "OMR": 3}


def number(value: Any) -> Fraction:
    """An exact number from JSON text or a JSON number."""
    return Fraction(Decimal(str(value)))


def rounded(value: Fraction, currency: str) -> Fraction:
    """Half up to the minor unit; of a negative amount, half away from zero."""
    scale = 10 ** MINOR_DIGITS.get(currency, 2)
    units = floor(abs(value) * scale + Fraction(1, 2))
    return Fraction(units if value >= 0 else -units, scale)


def charge(price: dict, quantity: Fraction) -> Fraction:
    """The unrounded amount of a usage line."""
    converted = quantity / number(price.get("divideBy") or 1)
    if price.get("roundUp"):
        converted = Fraction(ceil(converted))
    billable = max(converted - number(price.get("included") or 0), Fraction(0))
    amount = MODELS[price["model"]](price, billable)
    amount -= amount * number(price.get("discountPercent") or 0) / 100
    if price.get("minimumAmount") is not None:
        amount = max(amount, number(price["minimumAmount"]))
    if price.get("maximumAmount") is not None:
        amount = min(amount, number(price["maximumAmount"]))
    return amount


def _flat(price: dict, _: Fraction) -> Fraction:
    return number(price["unitAmount"])


def _per_unit(price: dict, billable: Fraction) -> Fraction:
    return billable * number(price["unitAmount"])


def _package(price: dict, billable: Fraction) -> Fraction:
    return ceil(billable / number(price["packageSize"])) * number(price["unitAmount"])


def _percentage(price: dict, billable: Fraction) -> Fraction:
    return billable * number(price["ratePercent"]) / 100


def _graduated(price: dict, billable: Fraction) -> Fraction:
    amount, below = Fraction(0), Fraction(0)
    for index, tier in enumerate(price["tiers"]):
        if index > 0 and billable <= below:
            break
        top = billable if tier.get("upTo") is None else min(billable, number(tier["upTo"]))
        amount += (top - below) * number(tier["unitAmount"]) + number(tier.get("flatAmount") or 0)
        below = top
    return amount


def _volume(price: dict, billable: Fraction) -> Fraction:
    tier = next(t for t in price["tiers"] if t.get("upTo") is None or billable <= number(t["upTo"]))
    return billable * number(tier["unitAmount"]) + number(tier.get("flatAmount") or 0)


MODELS = {
    "FLAT": _flat,
    "PER_UNIT": _per_unit,
    "GRADUATED": _graduated,
    "VOLUME": _volume,
    "PACKAGE": _package,
    "PERCENTAGE": _percentage,
}
