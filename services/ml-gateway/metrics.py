"""What is counted, as Prometheus reads it. Counts are this process's own, and are added up in the books for the environment."""

from collections import defaultdict

# Family -> its kind, and what its second label says.
FAMILIES = {
    "answered_total": ("counter", "provider"),
    "refused_total": ("counter", "reason"),
    "seconds": ("histogram", "operation"),
}
BOUNDS = ("0.1", "0.25", "0.5", "1", "2.5", "5", "10", "30", "60", "120", "300", "+Inf")


class Counts(defaultdict[tuple[str, str, str, str], float]):
    """By metric, endpoint, second label, and bound of a bucket."""

    def __init__(self) -> None:
        super().__init__(float)

    def took(self, endpoint: str, operation: str, seconds: float) -> None:
        for bound in BOUNDS:
            self["seconds_bucket", endpoint, operation, bound] += seconds <= float(bound)
        self["seconds_sum", endpoint, operation, ""] += seconds
        self["seconds_count", endpoint, operation, ""] += 1


def text(counts: Counts, gauges: dict[str, dict[str, float]]) -> str:
    """`gauges`: name -> value by labels."""
    lines = []
    for family, (kind, label) in FAMILIES.items():
        lines.append(f"# TYPE ml_gateway_{family} {kind}\n")
        for (metric, endpoint, value, bound), count in counts.items():
            if metric.startswith(family):
                le = f',le="{bound}"' if bound else ""
                lines.append(f'ml_gateway_{metric}{{endpoint="{endpoint}",{label}="{value}"{le}}} {count}\n')
    for name, values in gauges.items():
        lines.append(f"# TYPE ml_gateway_{name} gauge\n")
        lines += [f"ml_gateway_{name}{{{labels}}} {float(value)}\n" for labels, value in values.items()]
    return "".join(lines)
