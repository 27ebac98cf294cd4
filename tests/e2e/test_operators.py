"""An operator's day against MiniStack: wait for approval, approve, pause, change the pace, resume, go back."""

import json

import pytest

import stack
from command_line import CommandLine
from test_deployment import assert_deployed

MINIMAL = json.loads((stack.ROOT / "events" / "minimal.json").read_text())


@pytest.fixture(scope="module")
def ebbtide(deployed, chat):
    return CommandLine(deployed)


@pytest.fixture
def event(tmp_path):
    def written(**more):
        path = tmp_path / "event.json"
        path.write_text(json.dumps({**MINIMAL, **more}))
        return path

    return written


def asked(ebbtide, command, *more):
    done = ebbtide.run(command, "main/chat", *more, "--by", "alice", "--format", "json")
    return json.loads(done.stdout)


def status(ebbtide, execution):
    done = ebbtide.run("status", execution, "--format", "json")
    [one] = json.loads(done.stdout)["executions"]
    return one


def waits(ebbtide, chat, execution, point):
    def at_the_point():
        seen = status(ebbtide, execution)
        return seen["phase"] == "approval" and f"approval at {point}" in seen["message"]

    chat.wait_until(at_the_point, f"the pause at {point}", seconds=120)


def test_a_day_of_approvals_a_pause_and_another_pace(ebbtide, ministack, chat, event):
    alternate = chat.alternate()
    pauses = [{"at": at, "timeout": 86_400} for at in ("beforeSwap", "beforeDrain")]
    slow = event(pauses=pauses, drain={"tasks": 1, "every": 3_600})
    execution = ebbtide.run("deploy", slow, "--name", "day", "--no-follow").stdout.strip()

    waits(ebbtide, chat, execution, "beforeSwap")
    seen = status(ebbtide, execution)
    assert seen["commands"] == ["resume", "promote", "pace", "rollback"]
    assert seen["serves"] == "original"
    production = chat.forwards_to(80)
    assert asked(ebbtide, "resume")["answer"] == "obeyed"

    waits(ebbtide, chat, execution, "beforeDrain")
    assert chat.forwards_to(80) == alternate != production
    assert asked(ebbtide, "promote")["answer"] == "obeyed"
    assert asked(ebbtide, "pause")["answer"] == "obeyed"
    again = asked(ebbtide, "pause")
    assert (again["answer"], "already requested" in again["reason"]) == ("notGiven", True)
    # While it is paused, the pace may change, and nothing goes.
    original = [set for set in chat.task_sets() if set["status"] != "PRIMARY"]
    assert asked(ebbtide, "pace", "--tasks", "2", "--every", "30")["answer"] == "obeyed"
    assert asked(ebbtide, "resume")["answer"] == "obeyed"
    assert ebbtide.ended(execution) == "SUCCEEDED"
    assert len(original) == 1
    output = json.loads(ebbtide.client.describe_execution(executionArn=execution)["output"])
    assert (output["drainedTasks"], output["steps"] <= 3) == (4, True)
    assert_deployed(chat, MINIMAL["taskDefinition"], alternate)


def test_an_operator_goes_back_from_a_pause_after_the_swap(ebbtide, ministack, chat, event):
    production = chat.forwards_to(80)
    execution = ebbtide.run(
        *("deploy", event(pauses=[{"at": "afterSwap"}]), "--name", "back", "--no-follow")
    ).stdout.strip()
    waits(ebbtide, chat, execution, "afterSwap")
    assert chat.forwards_to(80) != production
    assert asked(ebbtide, "rollback")["answer"] == "obeyed"
    assert ebbtide.ended(execution) == "FAILED"
    described = ebbtide.client.describe_execution(executionArn=execution)
    assert described["error"] == "OperatorRollback"
    assert "alice" in described["cause"]
    assert chat.forwards_to(80) == production


def test_a_pace_that_says_nothing_or_too_much_is_refused_by_its_flag(ebbtide):
    for flags, said in {
        (): "--percent",
        ("--percent", "10", "--within", "60"): "cannot be used with",
        ("--tasks", "0"): "--tasks is 0; allowed",
        ("--within", "60", "--every", "9"): "--every is 9; allowed: only with --percent or --tasks",
    }.items():
        done = ebbtide.run("pace", "main/chat", *flags)
        assert done.returncode == 2, done
        assert said in done.stderr, done.stderr
