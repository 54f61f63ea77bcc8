# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The costs of an environment as a table for people, at most 100 columns wide. Pure.

``report``: what the filter costs_report makes, with the summaries of other environments as ``others``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.costs import DIMENSIONS
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.status_table import columns, wrapped

# Of each dimension so many are shown; the file has all.
_MOST = 10


def table(report: Mapping[str, Any], files: Sequence[str] = ()) -> list[str]:
    lines = [f"COSTS of {report['environment']} in {report['month']}, in {report['currency']}"]
    for section in (_ml(report["ml"]), _supabase(report["supabase"]), _environments(report)):
        for rows in section:
            lines += ["", *columns(rows)]
    if len(lines) == 1:
        lines += ["", "Nothing that costs money is declared: neither ml nor costs.supabase."]
    if report["problem"]:
        lines += ["", *wrapped(f"What ML endpoints have cost is not known: {report['problem']}", "  ")]
    return [*lines, *([""] if files else []), *(f"details: {file}" for file in files)]


def money(amount: float) -> str:
    """Cents, and of what is less than a cent enough digits to see that it is not nothing."""
    return f"{amount:.2f}" if amount >= 1 or not amount else f"{amount:.4f}"


def cap_row(cap: Mapping[str, Any]) -> tuple[str, ...]:
    is_money = cap["cap"].startswith("money")
    used, limit, ahead = (money(cap[key]) if is_money else f"{cap[key]:.0f}" for key in ("used", "limit", "forecast"))
    share = f"{100 * cap['share']:.0f} %" + (", past warn_at" if cap["near"] else "")
    of_month = cap["cap"].endswith("month")
    end = f"{ahead} at the end of the month" if of_month else f"{ahead} on a day like the last ones"
    reached = "reached" if cap["used"] >= cap["limit"] else f"reached on {cap['reached']}"
    return (cap["cap"], used, limit, share, f"{end}; {reached}" if cap["reached"] else end)


def _ml(ml: Mapping[str, Any] | None) -> Iterator[list[tuple[str, ...]]]:
    if ml is None:
        return
    month, ahead = ml["month"], ml["forecast"]
    yield [
        ("ML ENDPOINTS", "REQUESTS", "MONEY"),
        ("so far", str(month["requests"]), money(month["money"])),
        ("at the end of the month", str(ahead["requests"]), money(ahead["money"])),
        *([("not yet settled", "", money(month["unsettled"]))] if month["unsettled"] else []),
    ]
    if ml["caps"]:
        yield [("CAP", "USED", "OF", "SHARE", "FORECAST"), *map(cap_row, ml["caps"])]
    if ml["days"]:
        yield [("DAY", "REQUESTS", "MONEY"), *((one["day"], str(one["requests"]), money(one["money"])) for one in ml["days"])]
    for dimension in DIMENSIONS:
        rows = [(one["name"], str(one["requests"]), money(one["money"])) for one in ml["by"][dimension]]
        rest = [(f"and {len(rows) - _MOST} more", "", "")] if len(rows) > _MOST else []
        if rows:
            yield [(dimension.upper(), "REQUESTS", "MONEY"), *rows[:_MOST], *rest]


def _supabase(found: Mapping[str, Any]) -> Iterator[list[tuple[str, ...]]]:
    rows = [supabase_row(one) for one in found["items"]]
    if rows:
        whole = ("all", "", "", "", money(found["money"]), money(found["forecast"]))
        heads = ("SUPABASE", "KIND", "HOURS", "AN HOUR", "MONEY", "AT THE END OF THE MONTH")
        yield [heads, *rows, *([whole] if len(rows) > 1 else [])]


def supabase_row(one: Mapping[str, Any]) -> tuple[str, ...]:
    hours, price = f"{one['hours']:.1f}", f"{one['price_per_hour']:g}"
    return (one["name"], one["kind"], hours, price, money(one["money"]), money(one["forecast"]))


def _environments(report: Mapping[str, Any]) -> Iterator[list[tuple[str, ...]]]:
    if report.get("others"):
        heads = ("ENVIRONMENT", "REQUESTS", "ML", "SUPABASE", "FORECAST", "READ")
        yield [heads, *(environment_row(one) for one in (report["own"], *report["others"]))]


def environment_row(one: Mapping[str, Any]) -> tuple[str, ...]:
    amounts = (money(one[key]) for key in ("ml", "supabase", "forecast"))
    return (one["environment"], str(one["requests"]), *amounts, one["at"])
