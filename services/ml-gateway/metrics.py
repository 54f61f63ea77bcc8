"""What Prometheus reads. Amounts are the environment's and come from the books; counters are this process's own."""

from .books import Books
from .calls import Calls
from .config import CAPS, Config


def text(config: Config, books: Books, calls: Calls) -> str:
    used, limits = books.seen.used, config.limits
    warned = {name: used.get(name, 0) >= limits[name] * config.warn_at for name in CAPS if name in limits}
    answered = {f'endpoint="{endpoint}",provider="{provider}"': count for (endpoint, provider), count in calls.answered.items()}
    refused = {f'endpoint="{endpoint}",reason="{reason}"': count for (endpoint, reason), count in calls.refused.items()}
    metrics = {
        ("answered_total", "counter"): answered,
        ("refused_total", "counter"): refused,
        ("used", "gauge"): {f'limit="{name}"': amount for name, amount in used.items()},
        ("limit", "gauge"): {f'limit="{name}"': amount for name, amount in limits.items()},
        ("warning", "gauge"): {f'limit="{name}"': int(is_warned) for name, is_warned in warned.items()},
        ("mode", "gauge"): {f'mode="{mode}"': int(books.seen.mode == mode) for mode in ("live", "mock", "off")},
        ("database_up", "gauge"): {"": int(books.seen.is_up)},
    }
    lines = []
    for (name, kind), values in metrics.items():
        lines.append(f"# TYPE ml_gateway_{name} {kind}\n")
        lines += [f"ml_gateway_{name}{{{labels}}} {float(value)}\n" for labels, value in sorted(values.items())]
    return "".join(lines)
