"""One deployment a service at a time, and what a stopped one leaves is taken over by the next."""

import json
import re

import stack
from test_deployment import assert_deployed

EVENT = json.loads((stack.ROOT / "events" / "minimal.json").read_text())


def assert_free(lock):
    assert "owner" not in lock
    assert "doing" not in lock


def test_a_deployment_takes_the_lock_renews_it_and_leaves_it_free(interpreter, chat):
    before = interpreter.lock(chat)
    execution = interpreter.start(EVENT)
    chat.wait_until(lambda: interpreter.lock(chat).get("owner") == execution, "the execution owns the lock")
    assert interpreter.ended(execution).status == "SUCCEEDED"
    after = interpreter.lock(chat)
    assert_free(after)
    assert int(after["fence"]) == int(before.get("fence", 0)) + 1
    renewed = interpreter.states(execution).count("RenewBeforeScaleDown")
    assert renewed >= 4
    assert int(after["revision"]) > int(before.get("revision", 0)) + renewed
    assert after["lastActivity"] > before.get("lastActivity", "")


def test_of_two_deployments_at_once_one_wins_and_the_other_names_it(interpreter, chat):
    [alternate] = [group for group in chat.groups() if group != chat.forwards_to(80)]
    executions = [interpreter.start(EVENT) for _ in range(2)]
    ended = {execution: interpreter.ended(execution) for execution in executions}
    [winner] = [execution for execution, end in ended.items() if end.status == "SUCCEEDED"]
    [loser] = [execution for execution in executions if execution != winner]

    lost = ended[loser]
    assert (lost.status, lost.error) == ("FAILED", "ConcurrentDeployment")
    assert winner in lost.cause
    assert "nothing was changed" in lost.cause
    # No function that writes was called.
    assert lost.states == [
        *("Preflight", "MayDeploy", "AcquireLock", "ReadLock", "LockIsHeld", "DescribeOwner", "OwnerHasEnded"),
        *("ConcurrentDeployment", "ReadHolder", "ExplainFailure", "DeploymentFailed"),
    ]
    assert assert_deployed(chat, EVENT["taskDefinition"], alternate) == ended[winner].output["taskSet"]
    assert_free(interpreter.lock(chat))


def test_the_lock_of_an_execution_that_nobody_remembers_is_taken_over(interpreter, chat):
    fence = int(interpreter.lock(chat).get("fence", 0))
    [name] = interpreter.state_machine.rsplit(":", 1)[1:]
    forgotten = f"arn:aws:states:{stack.REGION}:{stack.ACCOUNT}:execution:{name}:forgotten"
    interpreter.own_lock(chat, forgotten)
    # Fails right after it has the lock, so that nothing is deployed.
    ended = interpreter.run({**EVENT, "alarms": ["nobody-has-made-it"]})
    assert (ended.status, ended.error) == ("FAILED", "PreflightFailed")
    described = ["DescribeOwner", "Grace", "DescribeOwnerAgain", "TakeLockOver", "DrainLeftovers"]
    assert ended.states[5:10] == described
    lock = interpreter.lock(chat)
    assert_free(lock)
    assert int(lock["fence"]) == fence + 1


def test_what_a_stopped_deployment_left_is_drained_step_by_step_before_the_next_one(interpreter, chat):
    [original] = chat.task_sets()
    production = chat.forwards_to(80)
    fence = int(interpreter.lock(chat).get("fence", 0))

    stopped = interpreter.start({**EVENT, "scaledown_wait": 240})
    chat.wait_until(lambda: chat.task_set(original["id"])["computedDesiredCount"] < 4, "a step of the drain")
    interpreter.stop(stopped)
    assert interpreter.ended(stopped).status == "ABORTED"
    assert interpreter.lock(chat)["owner"] == stopped
    left = chat.task_set(original["id"])["computedDesiredCount"]
    assert 0 < left < 4

    execution = interpreter.start(EVENT)
    ended = interpreter.ended(execution)
    assert (ended.status, ended.error, ended.cause) == ("SUCCEEDED", None, None)
    taking_over = ["AcquireLock", "ReadLock", "LockIsHeld", "DescribeOwner", "OwnerHasEnded", "Grace"]
    taking_over += ["DescribeOwnerAgain", "OwnerHasStayedEnded", "TakeLockOver", "DrainLeftovers"]
    assert ended.states[2:12] == taking_over
    drain = [output for output in interpreter.outputs(execution, "DrainLeftovers") if output["original"]]
    assert drain[0]["original"] == original["id"]
    # A step takes one task, and the next step comes after the pause that the input asks for.
    steps = [re.search(r"(\d+) of (\d+) tasks left", output["reason"]) for output in drain]
    assert [(int(step[1]), int(step[2])) for step in steps if step] == [(n, left) for n in range(left - 1, 0, -1)]
    assert all(output["wait"] == 60 for output, step in zip(drain, steps, strict=True) if step)
    assert drain[-1]["status"] == "settled"

    # Deployed twice, so the first target group serves again.
    assert_deployed(chat, EVENT["taskDefinition"], production)
    lock = interpreter.lock(chat)
    assert_free(lock)
    assert int(lock["fence"]) == fence + 2
