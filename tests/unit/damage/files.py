"""What can happen to a file of a host, what each command says of it, and whether what is told to mend it does."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.rollback import decide

from tests.unit.damage.prepared import NEWS, OLD, Answer, PreparedHost

STACK = "stacks/shop"
# Where something of this kind lies: <live> and <before> are releases, <hash> is that of a content.
FILES = [
    "backup/drills.jsonl",
    "backup/lock",
    "backup/news.json",
    "edge/compose.json",
    "edge/conf/away.map",
    "edge/conf/certificates.list",
    "edge/conf/certs/acme.pem",
    "edge/conf/certs/site.pem",
    "edge/conf/challenges.map",
    "edge/conf/haproxy.cfg",
    "edge/conf/home.list",
    "edge/conf/kept-off.map",
    "edge/conf/maintenance.html",
    "edge/conf/maintenance.map",
    "edge/conf/placed.map",
    "edge/conf/routes.d/shop.map",
    "edge/conf/routes.map",
    "edge/conf/stacks/_placed.cfg",
    "edge/conf/stacks/shop.cfg",
    "edge/conf/stacks/shop.users.cfg",
    "edge/conf/upstream-ca.pem",
    "edge/edge.json",
    "edge/files.lock",
    "edge/placed/shop.json",
    "edge/stand-in.json",
    "edge/turns/app-2",
    "edge/upgrade.lock",
    "egress/base.json",
    "egress/lock",
    "egress/rules.v4",
    "egress/rules.v6",
    "egress/stacks/shop.json",
    "engine_metrics.py",
    "etc/baseline.json",
    "etc/identity.json",
    "history/staging.jsonl",
    "leases/staging/beat.<token>",
    "leases/staging/lease.json",
    "leases/staging/lock",
    "logs/ca.pem",
    "logs/config.json",
    "logs/positions.json",
    "logs/shipper.pyz",
    "metrics/backup.prom",
    "metrics/buckets.prom",
    "metrics/drill.prom",
    "metrics/engine.prom",
    "metrics/lease-staging.prom",
    "metrics/run-staging-deploy-deployed.prom",
    "metrics/stack-shop.prom",
    "metrics/staging_data.prom",
    "stacks/fence.json",
    "stacks/fence.lock",
    f"{STACK}/content/<hash>/greeting",
    f"{STACK}/content/<hash>/nginx.conf",
    f"{STACK}/fence.json",
    f"{STACK}/fence.lock",
    f"{STACK}/fingerprint.key",
    f"{STACK}/flags.jsonl",
    f"{STACK}/flags.lock",
    f"{STACK}/journal.1.jsonl",
    f"{STACK}/journal.jsonl",
    f"{STACK}/ledger.json",
    f"{STACK}/lineage.json",
    f"{STACK}/live/flags/features.json",
    f"{STACK}/live/flags/flags.json",
    f"{STACK}/progress.jsonl",
    f"{STACK}/project/.env",
    f"{STACK}/project/.release-files.json",
    f"{STACK}/project/by-hand.json",
    f"{STACK}/project/compose.yml",
    f"{STACK}/project/env/api.env",
    f"{STACK}/project/env/variables.env",
    f"{STACK}/project/inline.yml",
    f"{STACK}/project/nginx.conf",
    f"{STACK}/project/override.json",
    *(
        f"{STACK}/releases/{which}/{name}"
        for which in ("<before>", "<live>")
        for name in (
            *("files/compose.yml", "files/env/api.env", "files/env/variables.env", "files/nginx.conf"),
            *("manifest.json", "release.env"),
        )
    ),
    f"{STACK}/rollout.lock",
    f"{STACK}/secrets/api.env",
    f"{STACK}/secrets/session",
    f"{STACK}/secrets/staff.env",
    f"{STACK}/secrets/values/owner",
    f"{STACK}/secrets/variables.env",
]
_NUMBERED = (
    "base.json",
    "baseline.json",
    "edge.json",
    "fence.json",
    "identity.json",
    "lease.json",
    "ledger.json",
    "lineage.json",
    "manifest.json",
    "news.json",
    "shop.json",
)
NUMBERED = {**dict.fromkeys(_NUMBERED, "format"), "override.json": "x-morpheus.deploy.format"}
COMMENTED = (
    *("haproxy.cfg", "shop.cfg", "shop.users.cfg", "shop.map", "routes.map", "maintenance.map", "certificates.list"),
    *("away.map", "kept-off.map", "placed.map", "_placed.cfg"),
)
# What a mend may be told by: each of these is done by ``mend``.
MENDS = (
    *("deploy", "Deploy", "provision.yml", "claim.yml", "maintenance.yml", "unlock.yml", "move it away", "Move it away"),
    *("remove the file", "run this again", "run this with", "make a backup"),
)
NEWER = "run it with the newer version of the collection, or what the message names"


def label_of(path: Path) -> str:
    text = str(path)
    for pattern, name in ((r"/1\.1-[0-9a-f]{8}/", "/<live>/"), (r"/1\.0-[0-9a-f]{8}/", "/<before>/")):
        text = re.sub(pattern, name, text)
    return re.sub(r"beat\.\d+", "beat.<token>", re.sub(r"content/[0-9a-f]{32}/", "content/<hash>/", text))


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _newer(path: Path) -> None:
    if path.name in COMMENTED:
        path.write_text(f"# morpheus.deploy format 99\n{path.read_text()}")
    elif path.name == ".release-files.json":
        path.write_text(json.dumps({"format": 99, "files": json.loads(path.read_text())}))
    elif path.name == "journal.jsonl":
        path.write_text(path.read_text().replace('"format": 1,', '"format": 99,'))
    else:
        path.write_text(json.dumps({**json.loads(path.read_text()), NUMBERED[path.name]: 99}))


def _replaced(path: Path) -> None:
    """What replicas have mounted was changed in place, and another file lies there now, as editors leave it."""
    with path.open("ab") as stream:
        stream.write(b"and more\n")
    other = path.with_name("another")
    other.write_bytes(b"something else\n")
    other.chmod(path.stat().st_mode & 0o777)
    other.replace(path)


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "gone": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "torn": lambda path: path.write_bytes(path.read_bytes()[: len(path.read_bytes()) // 2]),
    "garbage": lambda path: path.write_bytes(b"\xff\xfe\x00\xd8" * 5),
    # What a hand or another program has written: JSON, and not ours.
    "of another shape": lambda path: path.write_bytes(b"{}\n"),
    "a directory": _directory,
    "of a newer version": _newer,
    "of another mode": lambda path: path.chmod(0o606),
    "edited and then replaced": _replaced,
}
# What replicas have mounted as single files.
MOUNTED = (
    f"{STACK}/content/<hash>/greeting",
    f"{STACK}/content/<hash>/nginx.conf",
    f"{STACK}/secrets/session",
    f"{STACK}/secrets/values/owner",
)
_OF_MOUNTED = ("of another mode", "edited and then replaced")


def applies(label: str, damage: str) -> bool:
    name = label.rpartition("/")[2]
    numbered = {*NUMBERED, *COMMENTED, ".release-files.json", "journal.jsonl"}
    if damage in _OF_MOUNTED:
        return label in MOUNTED
    if damage == "of another shape":
        return name.endswith((".json", ".jsonl"))
    return damage != "of a newer version" or name in numbered


def _back(host: PreparedHost) -> Answer:
    """rollback.yml --check: what each host holds, the decision, the plan."""
    info = host.info()
    if info.get("failed"):
        return info
    decision = decide({"app-1": info})
    if decision.problems:
        return {"failed": True, "msg": "\n".join(decision.problems), "warnings": info["warnings"]}
    planned = host.rollout(decision.id, check=True, kind="rollback")
    return {**planned, "warnings": [*info["warnings"], *planned["warnings"]]}


COMMANDS: dict[str, Callable[[PreparedHost], Answer]] = {
    "what the host holds": lambda host: host.info(),
    "status": lambda host: host.status(),
    "deploy --check": lambda host: host.release(check=True),
    "restart --check": lambda host: host.rollout(check=True),
    "rollback --check": _back,
    "read the lease": lambda host: host.read_lease(),
    "provision --check": lambda host: host.provision(check=True),
    "maintenance --check": lambda host: host.maintenance(),
    "whose host it is": lambda host: host.identity(),
}
# Asked of what lies in egress/ alone: nothing else is read by them.
OF_EGRESS: dict[str, Callable[[PreparedHost], Answer]] = {
    "provision --tags egress --check": lambda host: host.keep_away(check=True),
    "audit": lambda host: host.audit(),
}
KEEP_AWAY = "provision --tags egress"
# Asked of locks and fences alone, because it writes, and mends what else is damaged.
COMES_IN, COMES_LATE = "a run comes in", "a run comes in that has lost its lease"
WHOM = "whom the balancer keeps off"
# With which of them have a route that others do not.
WHO_HAS = "whom the balancer asks"
# Where a file lies -> what else reads or writes it.
ALSO: dict[str, dict[str, Callable[[PreparedHost], Answer]]] = {
    "backup/drills.jsonl": {"a drill ends": PreparedHost.drilled},
    "backup/lock": {"a backup begins": PreparedHost.backs_up},
    "edge/conf/away.map": {WHOM: PreparedHost.kept_off},
    "edge/conf/challenges.map": {WHOM: PreparedHost.kept_off},
    "edge/conf/kept-off.map": {WHOM: PreparedHost.kept_off},
    "edge/conf/placed.map": {WHO_HAS: PreparedHost.kept_off},
    "edge/conf/stacks/_placed.cfg": {WHO_HAS: PreparedHost.kept_off},
    "edge/files.lock": {"a rollout changes the edge": PreparedHost.writes_edge},
    "edge/placed/shop.json": {WHO_HAS: PreparedHost.kept_off},
    "edge/stand-in.json": {"an edge upgrade begins": PreparedHost.stands_in},
    "edge/turns/app-2": {WHOM: PreparedHost.kept_off},
    "edge/upgrade.lock": {"an edge upgrade begins": PreparedHost.upgrades_edge},
    "engine_metrics.py": {"provision of the engine --check": PreparedHost.engine_metrics},
    "etc/baseline.json": {
        "claim --tags baseline": PreparedHost.baseline,
        "the baseline in an audit": PreparedHost.baseline_in_audit,
    },
    "history/staging.jsonl": {"history": PreparedHost.history},
    "leases/staging/lock": {"a run gives the lease back": PreparedHost.returns_lease},
    "logs/ca.pem": {"provision --tags logs --check": lambda host: host.logs(check=True)},
    "logs/config.json": {
        "provision --tags logs --check": lambda host: host.logs(check=True),
        "the log shipper starts": PreparedHost.ships,
    },
    "logs/positions.json": {"the log shipper starts": PreparedHost.ships},
    "logs/shipper.pyz": {"provision --tags logs --check": lambda host: host.logs(check=True)},
    f"{STACK}/flags.jsonl": {"flags": PreparedHost.flags, "a flag is changed": PreparedHost.switches_flags},
    f"{STACK}/flags.lock": {"a flag is changed": PreparedHost.switches_flags},
    f"{STACK}/ledger.json": {"the ledger while the database is silent": PreparedHost.ledger},
    f"{STACK}/journal.1.jsonl": {"a run finds the journal full": PreparedHost.fills_the_journal},
}
# What writes: the host answers other things after it.
WRITES = {
    *(COMES_IN, KEEP_AWAY, "a drill ends", "a backup begins", "an edge upgrade begins", "the log shipper starts"),
    *("a flag is changed", "a run finds the journal full"),
}


@dataclass(frozen=True)
class Past:
    """A file that remembers, and that nobody can write again. ``keys``: of answers, which tell what it remembered; all else must
    be as before after the mend. ``why``: nothing more is to be done.
    """

    why: str
    keys: tuple[str, ...] = ()


PAST = {
    "backup/drills.jsonl": Past("no command reads this list of drills, people do; the last one is in `backup/news.json`, too"),
    "edge/turns/app-2": Past("the host serves again", ("kept_off",)),
    "history/staging.jsonl": Past("the past is lost on this host; the other hosts that keep the lease have it", ("history",)),
    "logs/positions.json": Past("what was logged while nothing was sent is not sent"),
    f"{STACK}/flags.jsonl": Past("the past is lost on this host; the flags are as they were", ("history",)),
    f"{STACK}/journal.1.jsonl": Past(
        "read only where `lineage.json` is lost, too, which then knows less of releases from before"
    ),
}


CONTENT = ("gone", "empty", "torn", "garbage")
_LOCK = "it is there to be locked, and nobody reads it; whoever locks it makes it anew"
_GRAPHS = "it is read by Prometheus alone, and written anew by"


@dataclass(frozen=True)
class Quiet:
    """Why nobody has to say a word of these damages."""

    why: str
    damages: tuple[str, ...] = CONTENT


NOT_QUIET = Quiet("", ())
# Each was decided by reading who reads the file. A row that is quiet and not here is a loss that nobody would notice.
QUIET = {
    "backup/drills.jsonl": Quiet(PAST["backup/drills.jsonl"].why, (*CONTENT, "of another shape")),
    "backup/lock": Quiet(_LOCK),
    "edge/conf/challenges.map": Quiet(
        "each renewal of a certificate writes it anew before the authority asks", ("empty", "torn", "garbage")
    ),
    "edge/files.lock": Quiet(_LOCK),
    "edge/stand-in.json": Quiet("an upgrade of the edge begins by writing it anew", (*CONTENT, "of another shape")),
    "edge/upgrade.lock": Quiet(_LOCK),
    "egress/lock": Quiet(_LOCK),
    "leases/staging/lock": Quiet(_LOCK),
    "logs/positions.json": Quiet(PAST["logs/positions.json"].why, ("gone",)),
    "metrics/backup.prom": Quiet(f"{_GRAPHS} the next backup; the alert BackupOld says that none is told of"),
    "metrics/buckets.prom": Quiet(f"{_GRAPHS} the next backup of buckets; the alert BucketBackupOld says that none is told of"),
    "metrics/drill.prom": Quiet(f"{_GRAPHS} the next drill; status knows the last one without it"),
    "metrics/engine.prom": Quiet(f"{_GRAPHS} the service engine-metrics every 15 s"),
    "metrics/lease-staging.prom": Quiet(f"{_GRAPHS} whoever takes the lease; status knows who has it without it"),
    "metrics/run-staging-deploy-deployed.prom": Quiet(f"{_GRAPHS} the next run that ends so; the history has this one"),
    "metrics/stack-shop.prom": Quiet(f"{_GRAPHS} the next rollout; status knows what is live without it"),
    "metrics/staging_data.prom": Quiet(f"{_GRAPHS} the next import; the alert StagingDataOld says that none is told of"),
    "stacks/fence.json": Quiet(
        "those of stacks and the lease say the same, and the highest one counts", (*CONTENT, "of another shape")
    ),
    "stacks/fence.lock": Quiet(_LOCK),
    f"{STACK}/fence.json": Quiet(
        "the host's and the lease say the same, and the highest one counts", (*CONTENT, "of another shape")
    ),
    f"{STACK}/fence.lock": Quiet(_LOCK),
    f"{STACK}/flags.lock": Quiet(_LOCK),
    f"{STACK}/journal.1.jsonl": Quiet(PAST[f"{STACK}/journal.1.jsonl"].why, (*CONTENT, "of another shape")),
    f"{STACK}/journal.jsonl": Quiet(
        "the next step begins it anew; it is read by people, and where `lineage.json` is lost, too, which then knows less of "
        "releases from before",
        (*CONTENT, "of another shape", "of a newer version"),
    ),
    f"{STACK}/progress.jsonl": Quiet(
        "the next rollout begins it anew, and only who follows that one reads it", (*CONTENT, "of another shape")
    ),
    f"{STACK}/rollout.lock": Quiet(_LOCK),
}


def _commands(label: str) -> dict[str, Callable[[PreparedHost], Answer]]:
    if label.startswith("egress/"):
        return {**COMMANDS, **OF_EGRESS, **({KEEP_AWAY: PreparedHost.keep_away} if label.endswith("lock") else {})}
    if label in ALSO:
        return {**COMMANDS, **ALSO[label]}
    guards = label.endswith(("lock", "fence.json"))
    return {**COMMANDS, COMES_LATE: PreparedHost.come_late, COMES_IN: PreparedHost.come_in} if guards else COMMANDS


@dataclass
class Case:
    """``words``: command -> "as ever", "said" or "refused". ``wrong``: command -> an answer that is not one of them."""

    label: str
    damage: str
    words: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, Any] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    mend: str = ""
    after_mend: dict[str, Any] = field(default_factory=dict)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing that was asked said a word of it."""
        return not self.wrong and {*self.words.values()} == {"as ever"}


def case(host: PreparedHost, label: str, damage: str) -> Case:
    found = Case(label, damage)
    before, read = _before(host, label), host.reads()
    path = next(host.root / one for one in host.files() if label_of(one) == label)
    DAMAGES[damage](path)
    for command, answer in _answers(host, label).items():
        word = _word(answer, before[command], path)
        if word:
            found.words[command] = word
        else:
            found.wrong[command] = answer
        found.said += [one for one in _sentences(answer) if _names(one, path, path.name) and one not in found.said]
    if not found.wrong and damage != "of a newer version":
        found.mend = mend(host, path, found)
        after = _answers(host, label)
        told = PAST[label].keys if label in PAST else ()
        found.after_mend = {
            command: answer for command, answer in after.items() if _without(answer, told) != _without(before[command], told)
        }
        if host.reads() != read:
            found.after_mend["what replicas read"] = sorted(path for path, seen in host.reads().items() if seen != read[path])
    return found


def _without(answer: Answer, keys: Iterable[str]) -> Answer:
    return {key: value for key, value in answer.items() if key not in keys}


def _before(host: PreparedHost, label: str) -> dict[str, Answer]:
    """What the host answers as it was prepared: once where nothing that is asked writes."""
    asked = tuple(_commands(label))
    if WRITES & {*asked}:
        return _answers(host, label)
    if asked not in host.answered:
        host.answered[asked] = _answers(host, label)
    return host.answered[asked]


def _answers(host: PreparedHost, label: str) -> dict[str, Answer]:
    found = {}
    for command, run in _commands(label).items():
        try:
            found[command] = run(host)
        except Exception as exc:
            found[command] = {"traceback": repr(exc)}
        found[command].pop("diff", None)
        # A release that is deployed again has another time.
        for key in ("since", "claimed"):
            found[command].pop(key, None)
        for one in found[command].get("releases", []):
            found[command]["releases"][found[command]["releases"].index(one)] = {**one, "at": "", "created": ""}
        if "steps" in found[command]:
            found[command]["steps"] = [re.sub(r"shop-api-\d+", "shop-api-<number>", one) for one in found[command]["steps"]]
        if found[command].get("holder"):
            found[command]["msg"] = re.sub(r"since \S+, token \d+", "", found[command]["msg"])
            for key in ("beat_seconds", "expires_seconds", "token", "acquired", "taken_over"):
                found[command]["holder"].pop(key)
    return found


def _word(answer: Answer, before: Answer, path: Path) -> str:
    """Empty when the answer is no true word."""
    if answer == before:
        return "as ever"
    if answer.get("failed"):
        return "refused" if _names(answer["msg"], path) and any(mend in answer["msg"] for mend in MENDS) else ""
    told = {key: value for key, value in answer.items() if value != before.get(key)}
    if answer.get("live", "") != before.get("live", "") or "traceback" in answer:
        return ""
    return "said" if _names(json.dumps(told), path, path.name) else ""


def _names(text: str, path: Path, *more: str) -> bool:
    """A release is named as a whole, since nobody mends a part of it; a host without an owner by what it lacks."""
    named = [str(path), *more]
    if "releases" in path.parts:
        named += [str(one) for one in path.parents if "releases" in one.parts[:-1]]
    if path.parent.name == "secrets":
        named += [f"({path.name}", "environment.TOKEN", "secret session"]
    if path.suffix == ".pem":
        # What provision.yml calls it.
        named += [f'"{path.stem}"']
    if "egress" in path.parts and path.parent.name == "stacks":
        # Rules that are made of it are missing then.
        named += ["rules.v4, loaded", "(iptables -t raw -S)"]
    if path.name == "identity.json":
        named += ["belongs to no environment"]
    if path.name == "news.json":
        # That no backup is known is what a status goes by.
        named += ['"backups": {}']
    if path.name == "baseline.json":
        # Of which audit_report makes a finding.
        named += ['"recorded": false']
    if path.name.startswith("beat.") and not path.exists():
        # That is how a lease is given back.
        named += ["Nobody holds the lease"]
    elif path.name.startswith("beat."):
        # That is how status knows of a run that died.
        named += ['"alive": false']
    return any(one in text for one in named)


def _sentences(answer: Answer) -> list[str]:
    found = [*answer.get("warnings", []), *answer.get("drift", []), *answer.get("problems", [])]
    found += answer["msg"].splitlines() if answer.get("failed") else []
    return found + [one["problem"] for one in answer.get("releases", []) if one["problem"]]


def mend(host: PreparedHost, path: Path, found: Case) -> str:
    """Do what the commands said, in their order; without a word from any of them nothing is to be mended."""
    text = " ".join(found.said)
    if found.is_quiet:
        return ""
    done = _move_away(path) if "ove it away" in text else []
    if found.label.startswith("leases/"):
        done += _take_anew(host)
    elif found.label in _ANEW:
        done += _ANEW[found.label](host, path)
    elif found.label == "backup/news.json":
        done += _back_up_anew(host, path)
    elif found.label == "etc/identity.json":
        done += _claim_anew(host, path)
    elif found.label.startswith("egress/"):
        done += _keep_away_anew(host, path, text)
    elif "provision.yml" in text or found.words["provision --check"] == "said":
        done += _provision(host)
    if "maintenance.yml" in text:
        _well(host.maintenance(check=False))
        done.append("`maintenance.yml -e state=off`")
    planned = {word for command, word in found.words.items() if command.startswith(("deploy", "restart"))}
    if ("deploy" in text.lower() or "said" in planned) and not found.label.startswith(("leases/", "metrics/", f"{STACK}/ledger")):
        done += _deploy(host, found.label)
    _forget(path)
    past = f"; {PAST[found.label].why}" if found.label in PAST and done else ""
    return f"{', '.join(done)}{past}"


def _move_away(path: Path) -> list[str]:
    path.rename(path.with_name(f"{path.name}.damaged"))
    return ["`mv` it away"]


def _take_anew(host: PreparedHost) -> list[str]:
    """The run that has it is known to be dead."""
    held = host.read_lease()["holder"]
    if held:
        _well(host.unlock())
    _well(host.take_lease())
    return [*(["`unlock.yml`"] if held else []), "the next run takes the lease"]


def _removed(path: Path) -> list[str]:
    if not path.exists():
        return []
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    return ["remove it"]


def _back_up_anew(host: PreparedHost, path: Path) -> list[str]:
    done = _removed(path)
    host.backed_up()
    _well(host.drilled())
    return [*done, "`backup.yml`", "`backup.yml -e backup_do=drill`"]


def _end_turn(host: PreparedHost, path: Path) -> list[str]:
    answer, done = host.let_in(), []
    if answer.get("failed"):
        assert "ove it away" in answer["msg"], answer
        done = _move_away(path)
        answer = host.let_in()
    _well(answer)
    assert host.kept_off()["kept_off"] == []
    return [*done, "`edge_upstream` with `state: serving`"]


def _look_anew(host: PreparedHost, path: Path) -> list[str]:
    """Who looked at the host."""
    _well(host.baseline(renew=True))
    return ["`claim.yml --tags baseline -e audit_renew_baseline=true`"]


def _go_on(host: PreparedHost, path: Path) -> list[str]:
    """A run ends, and another one comes."""
    _well(host.unlock())
    _well(host.take_lease())
    host.ends_run()
    _well(host.take_lease())
    return ["the next run"]


def _change_flags(host: PreparedHost, path: Path) -> list[str]:
    host.changed_flags()
    return ["the next change of a flag"]


def _ship_anew(host: PreparedHost, path: Path) -> list[str]:
    _well(host.ships())
    return ["the log shipper's next start"]


def _send_anew(host: PreparedHost, path: Path) -> list[str]:
    _well(host.logs())
    return ["`provision.yml --tags logs`"]


def _read_anew(host: PreparedHost, path: Path) -> list[str]:
    done = _removed(path)
    host.reads_ledger()
    return [*done, "the next deploy that reaches the database"]


def _bring_anew(host: PreparedHost, path: Path) -> list[str]:
    host.hands_on()
    return ["`provision.yml`"]


_ANEW: dict[str, Callable[[PreparedHost, Path], list[str]]] = {
    "edge/turns/app-2": _end_turn,
    "etc/baseline.json": _look_anew,
    "history/staging.jsonl": _go_on,
    "engine_metrics.py": _bring_anew,
    "logs/ca.pem": _send_anew,
    "logs/config.json": _send_anew,
    "logs/positions.json": _ship_anew,
    "logs/shipper.pyz": _send_anew,
    f"{STACK}/flags.jsonl": _change_flags,
    f"{STACK}/ledger.json": _read_anew,
}


def _claim_anew(host: PreparedHost, path: Path) -> list[str]:
    """Whose host it is was found out by a person."""
    done = _removed(path)
    _well(host.claim())
    return [*done, "`provision.yml` of its environment"]


def _keep_away_anew(host: PreparedHost, path: Path, text: str) -> list[str]:
    done = []
    if "remove it and" in text and path.exists():
        path.unlink()
        done.append("remove it")
    if "/stacks/" not in str(path):
        _well(host.keep_away())
        done.append("`provision.yml --tags egress`")
    return done


def _provision(host: PreparedHost) -> list[str]:
    answer = host.provision()
    if "edge_allow_interruption=true" not in answer.get("msg", ""):
        _well(answer)
        return ["`provision.yml`"]
    _well(host.provision(interruption=True))
    return ["`provision.yml -e edge_allow_interruption=true`"]


def _deploy(host: PreparedHost, label: str) -> list[str]:
    """A release from before is deployed again, and then the one that was live."""
    older = "<before>" in label
    for release in [OLD, NEWS] if older else [NEWS]:
        for answer in host.deploy(release):
            _well(answer)
    return ["`deploy.yml` of that release"] if older else ["`deploy.yml` of the live release"]


def _forget(path: Path) -> None:
    """What was moved away is of no interest to anybody."""
    aside = path.with_name(f"{path.name}.damaged")
    if aside.is_dir():
        shutil.rmtree(aside)


def _well(answer: Mapping[str, Any]) -> None:
    assert not answer.get("failed"), answer


def table(cases: Iterable[Case]) -> str:
    """Rows for docs/damage.md: damages of which the same comes are one row."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for one in cases:
        words = {word: [name for name, told in one.words.items() if told == word] for word in ("said", "refused")}
        said = "; ".join(f"{word} by {_listed(commands)}" for word, commands in words.items() if commands)
        how = NEWER if one.damage == "of a newer version" and "refused" in said else one.mend
        nothing = f"nothing is to be done: {QUIET[one.label].why}" if one.is_quiet else "nothing is to be done"
        rows.setdefault((one.label, said or "works as ever", how or nothing), []).append(one.damage)
    lines = [f"| `{label}` | {', '.join(damages)} | {said} | {how} |" for (label, said, how), damages in rows.items()]
    return "\n".join(["| file | damage | what commands do | mend |", "|---|---|---|---|", *lines]) + "\n"


def _listed(commands: list[str]) -> str:
    return "all" if len(commands) == len(COMMANDS) else ", ".join(f"*{one}*" for one in commands)
