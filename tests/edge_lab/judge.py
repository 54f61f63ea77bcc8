"""Whether an answer is one that its request may get: by the releases that were at work while it was under way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.edge_lab.examples import HARMLESS, Release, Service
from tests.edge_lab.host import version_of
from tests.edge_lab.load import Place, Request
from tests.edge_lab.toys import Container

# From the end of a candidate until its incumbents serve again or the edge has noticed, on a busy machine.
CRASH_SECONDS = 6.0
# HAProxy's "timeout http-request": so long a user has to send a request.
SEND_SECONDS = 15.0


@dataclass(frozen=True)
class Span:
    """What was so from one moment to another: one release in peace, or the way from one to another.

    ``keeps``: whether it led back to the first one, so that nothing of it may ever have been unreachable.
    """

    began: float
    ended: float
    releases: tuple[Release, ...]
    keeps: bool = False


@dataclass
class Judge:
    spans: list[Span] = field(default_factory=list)
    # From when to when there was no HAProxy.
    gaps: list[tuple[float, float]] = field(default_factory=list)
    # Whether a replica knows the paths of its own release only.
    strict: bool = False

    def violation(self, request: Request, containers: Sequence[Container]) -> str:
        """What is wrong with an answer, in words; empty for a good one."""
        good = not request.error and request.status == 200
        # A worker that a reload has left behind answers once more on each connection, by the routes of its time.
        since = min(request.opened or request.began, request.began) if good else request.began
        spans = [span for span in self.spans if span.began <= request.ended and since <= span.ended]
        releases = list(dict.fromkeys(release for span in spans for release in span.releases))
        meant = [(release, release.service_of(request.place.host, request.place.path)) for release in releases]
        services = [(release, one) for release, name in meant if (one := release.find(name))]
        # A route leads to a service, whichever version of it runs: what swaps its paths with another one cannot do better.
        names = {one.name for _, one in services}
        able = [(release, one) for release in releases for one in release.services if one.name in names]
        # The options of a route are those of the release by which it leads to the service.
        tagged = (request.said.get("service"), request.tag) in {(one.name, one.tag) for _, one in services}
        from_one = _is_from(request, services if self.strict else able)
        if from_one and tagged if good else self._is_excused(request, spans, able, containers):
            return ""
        wanted = " or ".join(
            f"{one.name} of release {release.name}{f' with the tag {one.tag}' if one.tag else ''}" for release, one in services
        )
        return f"{request}{f' with the tag {request.tag}' if request.tag else ''}; expected {wanted or '404'}"

    def _is_excused(
        self, request: Request, spans: Sequence[Span], able: Sequence[tuple[Release, Service]], containers: Sequence[Container]
    ) -> bool:
        """``able``: the services that may answer this request, in all their versions."""
        nobody = request.status == 404 and not request.said and any(_may_be_nowhere(span, request.place) for span in spans)
        # A candidate that is well by its health check and answers users badly has passed its gate: its answers are its own.
        own = _is_from(request, [(release, one) for release, one in able if one.fault == "errors"])
        # With HAProxy went all connections, those that were idle, too.
        since = min(request.opened or request.began, request.began)
        if any(began <= request.ended and since <= ended for began, ended in self.gaps):
            return True
        # The users here are one process, which on a busy machine may get no processor for longer than the edge waits.
        if request.status == 408 and not request.said and request.sent - request.began > SEND_SECONDS:
            return True
        return nobody or own or _was_cut_by_a_crash(request, able, containers)


def _is_from(request: Request, able: Sequence[tuple[Release, Service]]) -> bool:
    said = (request.said.get("service"), request.said.get("version"))
    return said in {(one.name, version_of(release, one)) for release, one in able}


def _may_be_nowhere(span: Span, place: Place) -> bool:
    """Where a release has no route for it, unless the host came back to one that has."""
    known = [bool(release.service_of(place.host, place.path)) for release in span.releases]
    return not known[0] if span.keeps else not all(known)


def _was_cut_by_a_crash(request: Request, able: Sequence[tuple[Release, Service]], containers: Sequence[Container]) -> bool:
    """What an admitted candidate had begun when it ended by itself is lost, and for a moment nobody may be left."""
    faulty = {(one.name, version_of(release, one)) for release, one in able if one.fault not in HARMLESS}
    ends = [
        container.crashed_at
        for container in containers
        if container.crashed_at is not None and (container.service, container.app.version) in faulty
    ]
    return any(request.began <= end + CRASH_SECONDS and end <= request.ended + 0.1 for end in ends)
