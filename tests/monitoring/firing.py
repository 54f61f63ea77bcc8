"""An alert from its cause to its receiver, and to its end."""

from __future__ import annotations

from tests.monitoring.conditions import DISK, Condition
from tests.monitoring.watching import await_
from tests.monitoring.world import Prometheus


def fires_and_ends(host: Prometheus, condition: Condition) -> None:
    labels = {name: host.disk.device if value == DISK else value for name, value in condition.labels.items()}

    def is_firing() -> bool:
        condition.meanwhile(host)
        return bool(host.firing(condition.alert, **labels))

    def is_over() -> bool:
        answers = host.ask(f'min(min_over_time(up{{job="{condition.job}"}}[2s])) == 1')
        return bool(answers) and not is_firing()

    # On a busy machine somebody may be asked in vain for a second.
    await_(f"silence of {condition.alert} before anything has happened", lambda: condition.already or is_over())
    with condition.happens(host):
        await_(f"{condition.alert}: {condition.what}", is_firing)
        if condition.told:
            await_(f"word of {condition.alert}", lambda: host.last_word(condition.alert, **labels) == "firing")
    if condition.over:
        await_(f"the end of {condition.alert}: {condition.over}", is_over)
        await_(f"word of its end: {condition.alert}", lambda: host.last_word(condition.alert, **labels) == "resolved")
