"""What stands for a command that would leave the machine of a job: it writes down how it was called, and ends as the test says.

The runner puts this text below a first line of its own, under each command's name. In the directory STAND_IN, script.json says
how commands end, and called.jsonl gets a line for each. With STAND_IN_TOOLS, the directory of Ansible's programs, nothing stands
for Ansible and for the example's own scripts: they run, and are written down as well.
"""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

HERE = Path(os.environ["STAND_IN"])
SCRIPT = json.loads((HERE / "script.json").read_text())
NAME, WORDS = Path(sys.argv[0]).name, sys.argv[1:]
TOOLS = os.environ.get("STAND_IN_TOOLS", "")


def called(**what: object) -> None:
    with (HERE / "called.jsonl").open("a") as file:
        file.write(json.dumps({"command": NAME, **what}) + "\n")


def really(program: str, *words: str, **variables: str) -> int:
    """The program itself, in this one's place: what it starts finds no stand-in."""
    path = os.pathsep.join([TOOLS, os.environ["PATH"].partition(os.pathsep)[2]])
    return os.execve(f"{TOOLS}/{program}", [program, *words], {**os.environ, "PATH": path, **variables})


def playbook() -> int:
    inventory = WORDS[WORDS.index("-i") + 1].removeprefix("inventories/")
    if not Path("inventories", inventory, "hosts.yml").exists():
        return 4
    name, check = WORDS[0].removeprefix("morpheus.deploy."), "--check" in WORDS
    key = os.environ.get("ANSIBLE_PRIVATE_KEY_FILE")
    passwords = {one: text for one, text in os.environ.items() if one.startswith("MORPHEUS_VAULT_PASSWORD_")}
    variables = json.loads(Path(WORDS[WORDS.index("-e") + 1].removeprefix("@")).read_text())
    called(
        playbook=name,
        inventory=inventory,
        check=check,
        variables=variables,
        key=Path(key).read_text().strip() if key else "",
        passwords=passwords,
        hosts=os.environ.get("ANSIBLE_SSH_EXTRA_ARGS", ""),
    )
    if TOOLS:
        return really(NAME, *WORDS)
    ends = {"deploy": "deployed", "preview": "deployed", "rollback": "rolled_back", "certificates": "done", "plan": "ready"}
    ends |= {"backup": "done", "flags": "done"}
    usual = "checked" if check else ends.get(name, "")
    verdict = SCRIPT.get("verdicts", {}).get(f"{inventory} {'check' if check else name}", usual)
    there = Path(".deploy", inventory)
    there.mkdir(parents=True, exist_ok=True)
    if usual:
        failed = [f"{name} ended badly"] if verdict in ("failed", "mixed") else []
        release = variables.get("stack_release", "1.0.0")
        report = {"verdict": verdict, "release": release, "failed": bool(failed), "messages": failed}
        (there / ("plan.json" if name == "plan" else "check.json" if check else "verdict.json")).write_text(json.dumps(report))
    else:
        found = SCRIPT.get("reports", {}).get(f"{inventory} {name}", {"findings": [], "hosts": {}, "problems": [], "problem": ""})
        (there / f"{name}.json").write_text(json.dumps(found))
    if variables.get("preview_state") == "listed":
        (there / "previews.json").write_text(json.dumps(SCRIPT.get("previews", [])))
    print(f"VERDICT {verdict}: {inventory}")
    good = verdict in ("", "deployed", "unchanged", "checked", "done", "ready") or (name, verdict) == ("rollback", "rolled_back")
    return int(SCRIPT.get("codes", {}).get(f"{inventory} {name}", 0 if good else 2))


def python() -> int:
    if WORDS[:2] == ["-m", "pip"]:
        called(words=WORDS)
        return missing() if TOOLS else 0
    if WORDS[:1] == ["services/packages.py"]:
        Path(".fetched").touch()
        return really("python", *WORDS) if TOOLS else 0
    if WORDS[:1] == ["services/smoke.py"]:
        called(words=WORDS)
        if TOOLS:
            # Beside it lies how a name of the Internet is reached here.
            return really("python", *WORDS, PYTHONPATH=str(HERE / "ways"), SSL_CERT_FILE=str(HERE / "ways" / "ca.pem"))
        # Where nothing was checked out there is no program.
        return int(SCRIPT.get("smoke", {}).get(WORDS[1], 0)) if Path(WORDS[0]).exists() else 2
    return os.execv(os.path.realpath("/proc/self/exe"), [NAME, *WORDS])


def missing() -> int:
    """Of what pip was to install, that the tools of the test have not got. Which ansible-core it is, is theirs to say."""
    wanted = [word for word in WORDS[3:] if not word.startswith("-")]
    own = f"{TOOLS}/python", "-c", "import sys, importlib.metadata as m; [print(n + '==' + m.version(n)) for n in sys.argv[1:]]"
    done = subprocess.run([*own, *(word.partition("==")[0] for word in wanted)], capture_output=True, text=True, check=False)
    other = {one for one in {*wanted} - {*done.stdout.split()} if not one.startswith("ansible-core==")}
    print(f"not here: {', '.join(sorted(other))} {done.stderr}" if other or done.returncode else done.stdout)
    return int(bool(other or done.returncode))


def galaxy() -> int:
    """Collections with a version come with the tools, in the package ansible; what lies here is built and installed."""
    called(words=WORDS)
    words = [word for word in WORDS if ":" not in word]
    return really(NAME, *words) if TOOLS and len(words) > len(["collection", "install", "--force"]) else 0


def make() -> int:
    called(words=WORDS)
    if not Path("Makefile").exists():
        return 2
    if WORDS[:1] == ["venv"]:
        tool = Path(".venv/bin/ansible")
        tool.parent.mkdir(parents=True)
        tool.write_text(f"#!/bin/sh\necho 'ansible [core {os.environ['ANSIBLE_CORE']}.1]'\n")
        tool.chmod(0o755)
    if WORDS[:1] == ["release-files"]:
        there = Path(".cache/archive")
        there.mkdir(parents=True)
        (there / "notes.md").write_text("The first release.\n")
        if "archive" in SCRIPT:
            shutil.copy(SCRIPT["archive"], there)
        else:
            with tarfile.open(there / "morpheus-deploy-0.2.0.tar.gz", "w:gz") as archive:
                archive.addfile(tarfile.TarInfo("MANIFEST.json"), io.BytesIO())
    code = int(SCRIPT.get("make", {}).get(WORDS[0], 0))
    if code and WORDS[:1] == ["visit"]:
        there = Path(".cache/browser/failed/test")
        there.mkdir(parents=True)
        (there / "visitor-1.png").write_text("a picture")
    return code


def docker() -> int:
    called(words=WORDS)
    registry = json.loads((HERE / "registry.json").read_text())
    print(registry.get(WORDS[3], ""))
    return 0 if WORDS[3] in registry and os.environ.get("STAND_IN_LOGIN", "True") == "True" else 1


def gh() -> int:
    called(words=WORDS, rights=os.environ["STAND_IN_RIGHTS"])
    state = json.loads((HERE / "github.json").read_text())
    if WORDS[:2] == ["run", "list"]:
        print(state["staging"].get(WORDS[WORDS.index("--commit") + 1], ""))
    elif WORDS[0] == "api":
        print(json.dumps(state["rules"] if WORDS[1].endswith("/environments/production") else state["pushed"]))
    elif WORDS[:2] == ["issue", "list"]:
        print(state.get("issue", ""))
    elif WORDS[:2] == ["release", "view"]:
        return 0 if WORDS[2] in state.get("released", []) else 1
    elif WORDS[:2] == ["release", "create"]:
        return 0 if all(Path(one).is_file() for one in WORDS if one.startswith("collection/")) else 1
    return 0


def git() -> int:
    called(words=WORDS)
    if Path(".git").exists() and {"tag", "verify-tag"} & set(WORDS):
        # The stand-ins come first in the path, and behind them git itself: a tag stays on this machine.
        _, _, path = os.environ["PATH"].partition(os.pathsep)
        os.execvpe(NAME, [NAME, *WORDS], {**os.environ, "PATH": path})
    if WORDS[0] == "ls-remote":
        tags = json.loads((HERE / "github.json").read_text()).get("tags", {})
        print("".join(f"{commit}\t{WORDS[2]}" for name, commit in tags.items() if WORDS[2] == f"refs/tags/{name}^{{}}"))
    return 0


COMMANDS = {
    "ansible-playbook": playbook,
    "ansible-galaxy": galaxy,
    "python": python,
    "python3": python,
    "make": make,
    "docker": docker,
    "gh": gh,
    "git": git,
}


def other() -> int:
    called(words=WORDS)
    return 0


sys.exit(COMMANDS.get(NAME, other)())
