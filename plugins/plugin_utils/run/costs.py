# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an environment has cost, and what it will have cost at the end of the month if it goes on like this. Pure.

Days and months are those of UTC, as in the books of the ML gateways.
"""

from __future__ import annotations

import calendar
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.costs import Costs, seconds_of

Calls = Sequence[Mapping[str, Any]]
DIMENSIONS = ("endpoint", "model", "caller")
_DAY = 86400
# What the forecast goes by.
_RECENT_DAYS = 7
_CENT = 6


@dataclass(frozen=True)
class Month:
    """The month of ``now``, all in seconds since 1970."""

    now: float

    @property
    def name(self) -> str:
        return time.strftime("%Y-%m", time.gmtime(self.now))

    @property
    def today(self) -> str:
        return day_of(self.now)

    @property
    def begin(self) -> float:
        return float(calendar.timegm(time.strptime(self.name, "%Y-%m")))

    @property
    def end(self) -> float:
        at = time.gmtime(self.now)
        return self.begin + calendar.monthrange(at.tm_year, at.tm_mon)[1] * _DAY

    @property
    def days_left(self) -> float:
        return (self.end - self.now) / _DAY


def day_of(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


def of_books(books: Mapping[str, Any], month: Month) -> dict[str, Any]:
    """``books``: as the module ``ml_costs`` returns them."""
    calls: Calls = [{**call, "money": float(call["money"]), "unsettled": float(call["unsettled"])} for call in books["calls"]]
    of_month = [call for call in calls if str(call["day"]).startswith(month.name)]
    used = _sums(of_month)
    ahead = {kind: used[kind] + rate * month.days_left for kind, rate in _rates(calls, month).items()}
    return {
        "tier": books["tier"],
        "days": _days(calls),
        "by": {dimension: _by(of_month, dimension) for dimension in DIMENSIONS},
        "calls": calls,
        "month": {**used, "unsettled": _round(sum(call["unsettled"] for call in of_month))},
        "forecast": {"requests": round(ahead["requests"]), "money": _round(ahead["money"])},
        "caps": [_cap(cap, _rates(calls, month), ahead, month) for cap in books["caps"]],
    }


def of_supabase(declared: Costs, month: Month) -> dict[str, Any]:
    """Hours of this month, up to now and to its end."""
    items = []
    for item in declared.supabase:
        since, until = (seconds_of(item[name] or "") for name in ("since", "until"))
        until = month.end if until is None else until
        begun = max(since or 0.0, month.begin)
        hours, ahead = (max(0.0, min(end, until) - begun) / 3600 for end in (month.now, month.end))
        price = float(item["price_per_hour"])
        about = {"name": item["name"], "kind": item["kind"], "price_per_hour": price, "since": item["since"]}
        money = {"hours": round(hours, 1), "money": _round(hours * price), "forecast": _round(ahead * price)}
        items.append({**about, "until": item["until"], **money})
    return {"items": items, **{key: _round(sum(item[key] for item in items)) for key in ("money", "forecast")}}


def summary(report: Mapping[str, Any]) -> dict[str, Any]:
    """What other environments' reports say of this one."""
    ml = report["ml"] or {"month": {"requests": 0, "money": 0.0}, "forecast": {"money": 0.0}}
    return {
        "environment": report["environment"],
        "at": report["at"],
        "month": report["month"],
        "currency": report["currency"],
        "requests": ml["month"]["requests"],
        "ml": ml["month"]["money"],
        "supabase": report["supabase"]["money"],
        "forecast": _round(ml["forecast"]["money"] + report["supabase"]["forecast"]),
    }


def _rates(calls: Calls, month: Month) -> dict[str, float]:
    """Requests and money a day, over the last days. Books that are younger count from their first day."""
    recent = [day_of(month.now - number * _DAY) for number in range(_RECENT_DAYS)]
    first = min((str(call["day"]) for call in calls), default=month.today)
    counted = [day for day in recent if day >= first]
    elapsed = len(counted) - 1 + (month.now % _DAY) / _DAY
    sums = _sums([call for call in calls if call["day"] in counted])
    # An hour of a first day says nothing of the other hours.
    return {kind: sums[kind] / max(elapsed, 1.0) for kind in ("requests", "money")}


def _cap(cap: Mapping[str, Any], rates: Mapping[str, float], ahead: Mapping[str, float], month: Month) -> dict[str, Any]:
    """``forecast`` of a month's cap, and the day on which it is reached; a day's cap is compared with what a day uses."""
    kind = "money" if cap["cap"].startswith("money") else "requests"
    used, limit = float(cap["used"]), float(cap["limit"])
    found = {"cap": cap["cap"], "used": used, "limit": limit, "share": round(used / limit, 3), "near": bool(cap["near"])}
    of_month = cap["cap"].endswith("per_month")
    found["forecast"] = _round(ahead[kind] if of_month else rates[kind])
    days = (limit - used) / rates[kind] if rates[kind] and of_month else month.days_left + 1
    found["reached"] = day_of(month.now + max(days, 0.0) * _DAY) if days <= month.days_left else ""
    return found


def _days(calls: Calls) -> list[dict[str, Any]]:
    days = sorted({str(call["day"]) for call in calls})
    return [{"day": day, **_sums([call for call in calls if call["day"] == day])} for day in days]


def _by(calls: Calls, dimension: str) -> list[dict[str, Any]]:
    names = sorted({str(call[dimension]) for call in calls})
    found = [{"name": name, **_sums([call for call in calls if call[dimension] == name])} for name in names]
    return sorted(found, key=lambda one: (-one["money"], -one["requests"], one["name"]))


def _sums(calls: Calls) -> dict[str, Any]:
    return {"requests": sum(call["requests"] for call in calls), "money": _round(sum(call["money"] for call in calls))}


def _round(money: float) -> float:
    return round(float(money), _CENT)
