"""The table. A sample is what one run showed, by label; a section is the samples of one kind."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

Sample = dict[str, float]
WALL, FLOOR = "wall time, s", "**sum: the floor**, s"


def table(sections: Mapping[str, list[Sample]], floor: str) -> str:
    """``floor``: the section that wall times are set beside."""
    least = median(sample[FLOOR] for sample in sections[floor])
    lines = ["| | | median | min..max | of the floor |", "|---|---|--:|--:|--:|"]
    for title, samples in sections.items():
        for label in dict.fromkeys(label for sample in samples for label in sample):
            values = [sample.get(label, 0) for sample in samples]
            ratio = f"{median(values) / least:.1f} x" if label == WALL else ""
            lines.append(f"| {title} | {label} | {median(values):.4g} | {min(values):.4g}..{max(values):.4g} | {ratio} |")
            title = ""
    return "\n".join(lines)
