"""The recipes of docs/ci.md, taken from the page and run against MiniStack."""

import json
import os
import re
import subprocess

import pytest
import yaml

import faulty
import stack
from command_line import CommandLine
from world import task_definition

PAGE = (stack.ROOT / "docs" / "ci.md").read_text()
EVENT = stack.ROOT / "events" / "dry-run.json"


def recipe(name):
    """The block that a comment of the page marks."""
    [block] = re.findall(rf"<!-- test: {name} -->\n```\w+\n(.*?)```\n", PAGE, re.DOTALL)
    return block


@pytest.fixture(scope="module")
def ebbtide(deployed, chat):
    return CommandLine(deployed)


@pytest.fixture
def job(ebbtide, tmp_path):
    """Runs a recipe's commands in a directory with deploy.json, as a CI job would."""
    (tmp_path / "deploy.json").write_text(EVENT.read_text())

    def run(commands, shell="sh", **environment):
        env = ebbtide.environment(**{"STATE_MACHINE": ebbtide.up.live, "POLL_SECONDS": "0.2", **environment})
        env["PATH"] = os.pathsep.join([str(stack.BIN.parent), env["PATH"]])
        return subprocess.run(
            [shell, "-c", commands], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=180
        )

    return run


@pytest.fixture(autouse=True)
def task_definition_file(tmp_path):
    (tmp_path / "task-definition.json").write_text(json.dumps(task_definition("chat")))


def registered(job, commands, name, **environment):
    """The revision that a recipe has registered and left in revision.env."""
    done = job(f"set -eu\n{commands}\ncat revision.env", **environment)
    assert done.returncode == 0, done.stderr
    key, revision = done.stdout.strip().split("=")
    assert key == name and ":task-definition/chat:" in revision
    return revision


def register_of_github():
    steps = yaml.safe_load(recipe("github"))["jobs"]["register"]["steps"]
    [registers] = [step["run"] for step in steps if "run" in step]
    return registers


def test_every_marked_recipe_is_tested():
    marked = re.findall(r"<!-- test: (\S+) -->", PAGE)
    assert marked == [
        *("policy", "github", "github-action", "github-cancel", "gitlab"),
        *("codebuild-register", "codebuild-deploy", "codepipeline", "plain-register", "plain"),
    ]


def test_the_plain_recipe_registers_a_revision_and_deploys_it(job, ebbtide, tmp_path):
    [template] = re.findall(r"^`deploy\.json\.in` is `(\{.*?\})`", PAGE, re.MULTILINE)
    dry_run = {**json.loads(template), "dryRun": True}
    (tmp_path / "deploy.json.in").write_text(json.dumps(dry_run))
    done = job(recipe("plain-register"))
    assert done.returncode == 0, done.stderr
    assert re.search(r":task-definition/chat:\d+$", json.loads((tmp_path / "deploy.json").read_text())["taskDefinition"])
    done = job(recipe("plain"), DEPLOYMENT="plain-0")
    assert done.returncode == 0, done.stderr
    assert '"SUCCEEDED"' in done.stdout


def test_the_plain_recipe_deploys_and_tells_a_failure(job, ebbtide, tmp_path):
    done = job(recipe("plain"), DEPLOYMENT="plain-1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == ebbtide.executions("plain-1")[0]
    assert '"SUCCEEDED"' in done.stdout

    failing = {**json.loads(EVENT.read_text()), "alarms": ["no-such-alarm"], "dryRun": False}
    (tmp_path / "deploy.json").write_text(json.dumps(failing))
    done = job(recipe("plain"), DEPLOYMENT="plain-2")
    assert done.returncode == 1
    assert "PreflightFailed" in done.stdout


def test_the_plain_recipe_outlives_a_check_that_fails(job, ebbtide):
    faults = faulty.Faults(DescribeExecution=["AccessDeniedException"] * 2)
    with faulty.endpoint(ebbtide.up.ministack, faults) as endpoint:
        done = job(recipe("plain"), DEPLOYMENT="plain-3", AWS_ENDPOINT_URL_SFN=endpoint)
    assert done.returncode == 0, done.stderr
    assert len(faults.made) == 2


def test_the_github_job_deploys_and_once_more_when_it_is_run_again(job, ebbtide):
    workflow = yaml.safe_load(recipe("github"))
    # YAML 1.1 takes the key `on` for a truth.
    assert workflow[True] == {"push": {"branches": ["main"]}}
    assert workflow["permissions"]["id-token"] == "write"
    register, deploy = workflow["jobs"]["register"], workflow["jobs"]["deploy"]
    assert deploy["needs"] == "register" and register["outputs"] == {"revision": "${{ steps.register.outputs.revision }}"}
    [registers], [deploys] = ([step["run"] for step in one["steps"] if "run" in step] for one in (register, deploy))
    revision = registered(job, registers, "revision", GITHUB_OUTPUT="revision.env")
    name = f"main-chat-{revision.split('/')[1].replace(':', '-')}-5ee7"
    for name in (name, f"{name}-retry1"):
        done = job(deploys, REVISION=revision, GITHUB_SHA="5ee7")
        assert done.returncode == 0, done.stderr
        assert f"execution {name} of service chat" in done.stdout


def test_the_github_action_deploys_what_its_inputs_name(job, ebbtide):
    [step] = yaml.safe_load(recipe("github-action"))
    action = yaml.safe_load((stack.ROOT / "action.yml").read_text())
    assert re.fullmatch(r"OWNER/ebbtide@[0-9a-f]{40}", step["uses"])
    assert set(step["with"]) < set(action["inputs"])
    revision = registered(job, register_of_github(), "revision", GITHUB_OUTPUT="revision.env")
    given = {name: one["default"] for name, one in action["inputs"].items()} | step["with"]
    given |= {"task-definition": revision, "state-machine": ebbtide.up.live}
    install, deploy = action["runs"]["steps"]
    # `ebbtide` is in the PATH already, so nothing is installed; test_release.py has the other case.
    done = job(install["run"], GITHUB_ACTION_PATH=str(stack.ROOT))
    assert (done.returncode, done.stdout) == (0, f"{stack.BIN}\n"), done.stderr
    env = {name: given[re.fullmatch(r"\$\{\{ inputs\.(\S+) \}\}", value)[1]] for name, value in deploy["env"].items()}
    name = f"main-chat-{revision.split('/')[1].replace(':', '-')}-ac7104"
    done = job(deploy["run"], shell="bash", GITHUB_SHA="ac7104", **env)
    assert done.returncode == 0, done.stderr
    assert f"execution {name} of service chat" in done.stdout
    done = job(deploy["run"], shell="bash", GITHUB_SHA="ac7104", **{**env, "AGAIN": "false"})
    assert done.returncode == 1


def test_the_builds_of_a_pipeline_deploy_what_the_first_has_registered(job, ebbtide):
    register, deploy = (yaml.safe_load(recipe(f"codebuild-{name}")) for name in ("register", "deploy"))
    [exported] = register["env"]["exported-variables"]
    commands = "\n".join(register["phases"]["build"]["commands"])
    revision = registered(job, f'{commands}\necho "{exported}=${exported}" > revision.env', exported)
    variables = {one["name"]: one["value"] for one in json.loads(recipe("codepipeline"))}
    assert variables["REVISION"] == f"#{{register.{exported}}}" and set(variables) == {"REVISION", "STATE_MACHINE"}
    commands = "\n".join(deploy["phases"]["build"]["commands"])
    done = job(f"set -eu\n{commands}", REVISION=revision, CODEBUILD_RESOLVED_SOURCE_VERSION="c0deb")
    assert done.returncode == 0, done.stderr
    name = revision.split("/")[1].replace(":", "-")
    assert f"execution main-chat-{name}-c0deb of service chat" in done.stdout


def test_a_cancelled_github_job_stops_its_deployment(job, ebbtide, tmp_path):
    [step] = yaml.safe_load(recipe("github-cancel"))
    event = json.loads((stack.ROOT / "events" / "minimal.json").read_text())
    (tmp_path / "deploy.json").write_text(json.dumps(event))
    started = job('ebbtide deploy deploy.json --name cancelled --no-follow --state-machine "$STATE_MACHINE"')
    arn = started.stdout.strip()
    jq = tmp_path / "jq"
    # What the step asks jq for, where jq is not installed.
    jq.write_text(
        "#!/usr/bin/env python3\nimport json, sys\nassert sys.argv[1:] == ['-r', '.executions[].execution', 'running.json']\n"
        "print(*(one['execution'] for one in json.load(open('running.json'))['executions']), sep='\\n')\n"
    )
    jq.chmod(0o755)
    done = job(f'PATH="{tmp_path}:$PATH"\n{step["run"]}')
    assert done.returncode == 0, done.stderr
    assert ebbtide.ended(arn) == "ABORTED"
    repaired = ebbtide.run("deploy", stack.ROOT / "events" / "minimal.json", "--name", "cancelled", "--again")
    assert repaired.returncode == 0, repaired.stderr


def test_the_gitlab_job_deploys_with_the_token_of_its_identity(job, ebbtide):
    jobs = yaml.safe_load(recipe("gitlab"))
    revision = registered(job, "\n".join(jobs["register"]["script"]), "REVISION")
    gitlab = jobs["deploy"]
    variables = {
        **gitlab["variables"],
        "AWS_ROLE_ARN": f"arn:aws:iam::{stack.ACCOUNT}:role/deploy-chat",
        "STATE_MACHINE": ebbtide.up.live,
        "AWS_REGION": stack.REGION,
    }
    assert list(gitlab["id_tokens"]) == ["AWS_ID_TOKEN"]
    assert set(variables) == set(gitlab["variables"])
    done = job(
        "set -eu\n" + "\n".join(gitlab["script"]),
        **{name: value for name, value in variables.items() if name != "STATE_MACHINE"},
        AWS_ID_TOKEN="token.of.gitlab",
        CI_COMMIT_SHA="9171ab",
        REVISION=revision,
        AWS_ACCESS_KEY_ID=None,
        AWS_SECRET_ACCESS_KEY=None,
        AWS_ENDPOINT_URL_STS=ebbtide.up.ministack,
    )
    assert done.returncode == 0, done.stderr
    name = revision.split("/")[1].replace(":", "-")
    assert f"execution main-chat-{name}-9171ab of service chat" in done.stdout


def test_the_policy_allows_what_the_program_calls_and_nothing_else():
    policy = json.loads(recipe("policy"))
    allowed = set()
    for statement in policy["Statement"]:
        actions = statement["Action"]
        allowed.update([actions] if isinstance(actions, str) else actions)
    sources = "".join(path.read_text() for path in (stack.ROOT / "src").rglob("*.rs"))
    called = set(re.findall(r'CallError::of\("(states:\w+)"', sources))
    assert allowed == called
