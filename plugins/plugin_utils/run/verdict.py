# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run ended, in one word that is true of the hosts. Pure: fed with results of modules, asked at the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import notes
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.ends import may_go_on
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.known import HostState, Known
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.release_names import are_one

# Modules that say before any write that the run is in the wrong place; their messages do not name the host.
_IDENTITY = ("host_identity", "database_identity")
# Modules whose failure is the run's.
_ROTATION = ("rotation", "stack_secret", "stack_attestation", "postgres_login", "key_probe")
# Modules that replace the edge's container.
_EDGE = ("edge_image", "edge_upgrade")
# Modules whose message does not name the host that it is about.
_OF_ONE_HOST = ("stack_attestation", "stack_secret", "stack_removal", "engine_config", "engine_packages", *_EDGE)
# Modules by which a run is one that switches something, also in check mode.
_DEPLOYS = ("stack_info", "stack_release", "stack_rollout", "edge_image", "engine_packages", "stack_removal")
_MODULES = (
    *_IDENTITY,
    *_ROTATION,
    "database_backup",
    *notes.RESTORES,
    "engine_config",
    "engine_packages",
    "lease",
    "stack_info",
    "stack_release",
    "stack_rollout",
    "stack_migration",
    "stack_removal",
    "supabase_migrations",
    "health_gate",
    *_EDGE,
)


class Run(Known):
    """Fed with what is seen of a run, and asked for its verdict at the end."""

    def saw(self, module: str, host: str, result: Mapping[str, Any], *, failed: bool) -> None:
        """A module of this collection ended on ``host``."""
        # Of the hosts that granted it the first one, until they are counted.
        if module == "lease" and result.get("token") and (not self.lease or "again" in result):
            self.lease = result
        # Others are tasks of anybody's playbook, too.
        self.is_deploy = self.is_deploy or bool(self.lease) or module in _DEPLOYS
        handler = {"stack_release": self._prepared, "stack_rollout": self._rolled_out}.get(module)
        if handler:
            handler(self.hosts.setdefault(host, HostState()), result)
        if not failed:
            self._went_well(module, host, result)
        elif module in (*_MODULES, "hook"):
            self._failed(module, host, result)

    def _went_well(self, module: str, host: str, result: Mapping[str, Any]) -> None:
        if module == "rotation":
            self._rotated(result)
        if module in ("stack_migration", "supabase_migrations"):
            self.migrated = self.migrated or bool(result.get("changed"))
        if module == "edge_upstream" and result.get("state") != "off" and not result.get("turn"):
            self._let_in(result)
        if module == "edge_image":
            self.upgrades[host] = result
        if module == "engine_packages" and host not in self.engines:
            # Each host is asked first, and then upgraded.
            self.engines[host] = ", ".join(result["upgrades"])
        elif module == "engine_packages" and result["upgrades"]:
            self.upgraded = True
            self.notes.append(f"{host}: the engine was upgraded: {', '.join(result['upgrades'])}")
        if module in ("stack_removal", "edge_upgrade", *notes.RESTORES):
            self._once(module, host, result)
        if module == "stack_info" and self.rotation:
            state = self.hosts.setdefault(host, HostState())
            state.release, state.release_id = result["live_release"], result.get("live", "")
        if module == "engine_config" and self.lease and result["changed"] and result["restart"]:
            self.notes.append(f"{host}: the engine was restarted for {', '.join(result['restart'])}")

    def _failed(self, module: str, host: str, result: Mapping[str, Any]) -> None:
        self.is_deploy = self.is_deploy or module in ("lease", "rotation", "engine_config", *_IDENTITY)
        message = str(result.get("msg", ""))
        if module == "stack_rollout" and "left" not in result:
            # It was killed, it crashed or it was fenced off, so it could not say what it left.
            if not result.get("fenced"):
                message = f"the rollout of {host} ended without an answer, as a killed process does: {message}"
            self.hosts[host].lost = self.hosts[host].mixed = True
        if module == "supabase_migrations" and not result.get("answered"):
            message = (
                "the migrations ended without an answer, as a killed process does. What was in a transaction is undone; run the "
                f"same command again, which waits for what is still at work and goes on from there. {message}"
            )
        if module == "stack_migration" and not result.get("answered"):
            message = (
                "the migration ended without an answer, as a killed process does. It may still be at work: run the same command "
                f"again, which looks for it first and starts no second one. {message}"
            )
        if module in _IDENTITY or result.get("foreign"):
            self.refusals += [f"{host}: {line}" for line in message.splitlines()]
        elif module in ("lease", "stack_info") or (module in ("rotation", "hook") and not self.hosts):
            self.refusals.append(message)
        else:
            # What is attested or written is so on each host alone, and its message does not name it.
            where = f"{host}: " if module in _OF_ONE_HOST else ""
            state = self.hosts.setdefault(host, HostState())
            # When it is taken back, a host may fail once more.
            state.failed = "\n".join([*filter(None, [state.failed]), where + message])
            self.reasons.append(where + message)
            # A module that was killed does not say what it has begun.
            begun = (module in notes.SAYING_BEGUN or self.fills(module)) and result.get("begun", True)
            state.changed = state.changed or bool(result.get("restarted")) or begun
            state.removing = state.removing or (module == "stack_removal" and begun)

    def refused(self, host: str, message: str, *, ours: bool) -> None:
        """Another task failed, in one of our roles or in a deploy: before anything was switched the run was refused."""
        self.is_deploy = self.is_deploy or ours
        if self.upgraded:
            state = self.hosts.setdefault(host, HostState())
            if not state.failed:
                state.failed = message
                self.reasons.append(message)
        elif not self.hosts:
            self.refusals.append(message)
        elif host in self.hosts and not self.hosts[host].failed:
            self.hosts[host].failed = message
            self.reasons.append(message)

    def lost(self, host: str, module: str = "", *, ours: bool = False, at_work: str = "") -> None:
        """``host`` could not be reached for a task of ``module``: in the middle of its rollout nobody knows what it runs.

        ``ours``: in one of our roles, so that the run ends here, and is told how. ``at_work``: the module, unless it only looks.
        """
        self.is_deploy = self.is_deploy or ours
        state = self.hosts.setdefault(host, HostState())
        goes_on = may_go_on(at_work) if at_work != "database_restore" or self.restores else ""
        state.lost, state.failed = True, f"{host} could not be reached{goes_on}"
        self.reasons.append(state.failed)
        state.at_work = bool(goes_on)
        state.mixed = state.mixed or module == "stack_rollout"
        state.changed = state.changed or self._changes(module, host)
        state.removing = module == "stack_removal" and self._changes(module, host)

    def _changes(self, module: str, host: str) -> bool:
        """Whether a module that did not answer may have changed ``host``. Each looks before; one of an edge may have ended."""
        looked_at: dict[str, Mapping[str, Any]] = {"engine_packages": self.engines, "stack_removal": self.removals}
        return module == "edge_upgrade" or host in looked_at.get(module, {}) or self.fills(module)

    def interrupted(self, how: str, at_work: Mapping[str, str]) -> None:
        """The run ended before its end. ``at_work``: host -> module that had not answered, and may go on there."""
        for host, module in at_work.items():
            rolls, changes = module == "stack_rollout", self._changes(module, host)
            if rolls or changes:
                state = self.hosts.setdefault(host, HostState())
                state.lost = state.mixed = rolls
                state.changed = state.changed or changes
                state.removing = module == "stack_removal"
        switched = [state for state in self.hosts.values() if state.changed or state.mixed]
        for state in switched:
            state.failed = state.failed or how
        (self.reasons if switched else self.refusals).append(how)

    def verdict(self, seconds: float, *, check_mode: bool) -> dict[str, Any]:
        failed = any(state.failed for state in self.hosts.values())
        word = self._word(failed)
        killed = notes.killed({name: state.killed for name, state in self.hosts.items()})
        before = next((state for state in self.hosts.values() if state.previous), HostState())
        return {
            "verdict": word,
            "failed": failed or bool(self.refusals),
            "kind": "rotation" if self.rotation else "rollback" if self.is_rollback else "deploy",
            "check_mode": check_mode,
            "environment": self.environment,
            "release": self.release,
            "release_id": self.release_id,
            "previous": before.previous,
            "previous_id": before.previous_id,
            "hosts": {name: state.as_dict() for name, state in self.hosts.items()},
            "left_out": {name: {**host} for name, host in self.left_out.items()},
            "let_in": [] if self.not_let_in else self.let_in,
            "migrated": self.migrated and not check_mode,
            "drained": sum(state.drained for state in self.hosts.values()),
            "cut": sum(state.cut for state in self.hosts.values()),
            "left_behind": sum(state.left_behind for state in self.hosts.values()),
            "errors": sum(state.errors for state in self.hosts.values()),
            "interrupted": sorted({service for state in self.hosts.values() for service in state.interrupted}),
            "lease": {key: self.lease.get(key) for key in ("token", "owner", "reason", "taken_over")} if self.lease else {},
            "mend": self._mend() if word == "mixed" or any(state.stuck for state in self.hosts.values()) else [],
            "rotation": {key: self.rotation[key] for key in ("name", "plan")} if self.rotation else {},
            "removals": {name: "; ".join(found["plan"]) or "nothing to do" for name, found in self.removals.items()},
            "edges": {name: found["plan"] or f"nothing to do: {found['before']}" for name, found in self.upgrades.items()},
            "engines": {name: f"upgrade {found}" if found else "nothing to do" for name, found in self.engines.items()},
            **({"notes": [*self.notes, *killed, *self.certificates]} | self.told),
            "started": round(self.started, 3),
            "seconds": seconds,
            "messages": list(dict.fromkeys([*self.refusals, *self.reasons, *self.way_on(word)])),
        }

    def _word(self, failed: bool) -> str:
        switched = any(state.changed for state in self.hosts.values())
        begun = self.upgraded or any(state.gates or state.changed or state.mixed for state in self.hosts.values())
        if self.refusals or (failed and not begun):
            return "refused"
        if failed:
            is_one = are_one((state.release, state.release_id) for state in self.hosts.values())
            if not is_one or any(state.mixed for state in self.hosts.values()):
                return "mixed"
            return "rolled_back" if any(state.taken_back for state in self.hosts.values()) else "failed"
        if not switched and not self.notes and not any(state.live_files or state.put_right for state in self.hosts.values()):
            return "unchanged"
        return "rolled_back" if self.is_rollback else "deployed"

    def _mend(self) -> list[str]:
        inventory = self.inventory or f"inventories/{self.environment}"
        return [
            f"ansible-playbook deploy.yml -i {inventory} -e stack_release={self.release}",
            self.way_back(inventory),
        ]

    def way_back(self, inventory: str) -> str:
        """The command that leads to what all hosts ran before, by its id where that is one: hosts that run different releases may
        not agree on it, as when the one that is left had been live before the other.
        """
        before = {state.previous_id for state in self.hosts.values()} - {"", self.release_id}
        chosen = f" -e rollback_to={before.pop()}" if len(before) == 1 and not self.is_rollback else ""
        return f"ansible-playbook rollback.yml -i {inventory}{chosen}"

    def _once(self, module: str, host: str, result: Mapping[str, Any]) -> None:
        """An edge was replaced, a stack removed or a database filled; or each was looked at before."""
        self.restores = self.restores or module in notes.RESTORES
        if module == "stack_removal" and host not in self.removals:
            self.removals[host] = result
        elif result["changed"]:
            self.upgraded = True
            self.notes.append(notes.once(module, host, self.upgrades.get(host, {}), result))

    def _let_in(self, result: Mapping[str, Any]) -> None:
        """``result``: of a balancer, which the run goes on without."""
        if "names" in result:
            self.let_in = sorted({*self.let_in, *result["names"]})
            note = f"the balancer lets {', '.join(result['names'])} serve again"
        else:
            self.not_let_in = True
            note = f"the balancer still keeps hosts off that are back: {result.get('msg', '')}. Run the same command again"
        self.notes = list(dict.fromkeys([*self.notes, note]))

    def _rotated(self, result: Mapping[str, Any]) -> None:
        if result["state"] == "planned":
            self.rotation = result["rotation"]
        if result["state"] not in ("ended", "waiting") or not result["changed"]:
            return
        self.notes.append(notes.rotated(self.rotation, result["state"]))
        self.notes.append(f"commit {' and '.join(self.rotation['written'])}")

    def _prepared(self, state: HostState, result: Mapping[str, Any]) -> None:
        if "release" in result:
            self.is_prepared = True
            self.release, self.release_id = result["release"], result.get("id") or self.release_id
            self.environment = result.get("environment") or self.environment
            if "previous" in result:
                state.release = state.previous = result["previous"]
                state.release_id = state.previous_id = result.get("previous_id", "")
                state.seen, state.idle = True, bool(result.get("idle"))
            state.plan = list(result.get("plan", []))
            # Prepared twice, a host has them since the first time.
            state.live_files = sorted({*state.live_files, *result.get("changed_live_files", [])})
            state.put_right = sorted({*state.put_right, *result.get("put_right", [])})
            if not result.get("pending", True):
                state.release, state.release_id = self.release, self.release_id

    def _rolled_out(self, state: HostState, result: Mapping[str, Any]) -> None:
        if "release" not in result:
            return
        # In a deploy a host is rolled back when another one failed after it had been switched.
        is_take_back = result["kind"] == "rollback" and self.is_prepared
        if not is_take_back:
            self.release, self.release_id = result["release"], result.get("release_id", "")
            self.is_rollback = result["kind"] == "rollback"
            state.previous, state.previous_id = result["previous"], result.get("previous_id", "")
        # In check mode the only plan of a rollback; a deploy's came with the preparation.
        state.plan = state.plan or list(result["steps"])
        state.add(result)
        state.seconds = {**state.seconds, **{f"back {k}" if is_take_back else k: v for k, v in result["seconds"].items()}}
        state.seen, state.idle = True, state.idle and result.get("left") == "as_before"
        state.lost = False
        if result.get("left"):
            runs = "release" if result["left"] == "switched" else "previous"
            state.release, state.release_id = result[runs], result.get(f"{runs}_id", "")
            state.mixed = result["left"] == "mixed"
            state.taken_back = result["left"] == "taken_back"
            state.stuck = result["left"] == "switched"
        else:
            state.mixed = state.stuck = False
            state.release, state.release_id = result["release"], result.get("release_id", "")
            state.changed = bool(result["changed"]) and not is_take_back
            state.taken_back = is_take_back
