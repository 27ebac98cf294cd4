"""One deployment a service at a time, and what a stopped one leaves is taken over by the next."""

import json

import stack
from test_deployment import assert_deployed

EVENT = json.loads((stack.ROOT / "events" / "minimal.json").read_text())
UNDER_THE_LOCK = ("CheckAndCreateService", "Swap", "ScaleDown", "Cleanup", "Rollback")


def assert_free(lock):
    assert not {"owner", "phase", "plan", "busyBy"} & set(lock)


def turns(interpreter, execution):
    """The turns that entered the lock."""
    answers = [answer for state in UNDER_THE_LOCK for answer in interpreter.outputs(execution, state)]
    return [answer for answer in answers if answer["reason"]["code"] != "busy"]


def test_a_deployment_takes_the_lock_enters_it_with_each_turn_and_leaves_it_free(interpreter, chat):
    before = interpreter.lock(chat)
    execution = interpreter.start(EVENT)
    chat.wait_until(lambda: interpreter.lock(chat).get("owner") == execution, "the execution owns the lock")
    assert interpreter.ended(execution).status == "SUCCEEDED"
    after = interpreter.lock(chat)
    assert_free(after)
    assert int(after["fence"]) == int(before.get("fence", 0)) + 1
    writes = int(after["rev"]) - int(before.get("rev", 0))
    # One to enter, one to leave.
    assert writes == 2 * len(turns(interpreter, execution))
    state, started, ended = after["ends"][0].split(" ")
    assert (state, ended) == ("DeploymentSucceeded", execution)
    assert started == after["newest"] > before.get("newest", "")
    assert after["ends"][1:] == before["ends"][:2]


def test_of_two_deployments_at_once_one_wins_and_the_other_names_it(interpreter, chat):
    alternate = chat.alternate()
    executions = [interpreter.start(EVENT) for _ in range(2)]
    ended = {execution: interpreter.ended(execution) for execution in executions}
    [winner] = [execution for execution, end in ended.items() if end.status == "SUCCEEDED"]
    [loser] = [execution for execution in executions if execution != winner]

    lost = ended[loser]
    assert (lost.status, lost.error) == ("FAILED", "ConcurrentDeployment")
    assert winner in lost.cause
    assert "nothing was changed" in lost.cause
    assert lost.order == ["Preflight", "MayDeploy", "CheckAndCreateService", "ServiceReady", "DeploymentFailed"]
    assert turns(interpreter, loser) == [interpreter.outputs(loser, "CheckAndCreateService")[-1]]
    assert assert_deployed(chat, EVENT["taskDefinition"], alternate) == ended[winner].output["taskSet"]
    assert_free(interpreter.lock(chat))


def test_the_lock_of_an_execution_that_is_forgotten_is_taken_over(interpreter, chat):
    name = interpreter.state_machine.rsplit(":", 1)[1]
    forgotten = f"arn:aws:states:{stack.REGION}:{stack.ACCOUNT}:execution:{name}:forgotten"
    interpreter.own_lock(chat, forgotten)
    fence = int(interpreter.lock(chat)["fence"])
    # Fails right after it has the lock, so that nothing is deployed.
    ended = interpreter.run({**EVENT, "alarms": ["no-such-alarm"]})
    assert (ended.status, ended.error) == ("FAILED", "PreflightFailed")
    before = ["Preflight", "MayDeploy", "CheckAndCreateService", "ServiceReady"]
    assert ended.order == [*before, "Rollback", "RolledBack", "DeploymentFailed"]
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
    found = [answer for answer in interpreter.outputs(execution, "CheckAndCreateService") if answer["next"] == "Wait"]
    assert [answer["plan"]["leftover"] for answer in found] == [original["id"]]
    drain = [answer for answer in interpreter.outputs(execution, "ScaleDown") if answer["plan"]["outgoing"] == "leftover"]
    # A step takes one task, and the next step comes after the pause that the input asks for.
    steps = [answer for answer in drain if answer["reason"]["code"] == "step"]
    counted = [(step["reason"]["drain"]["left"], step["reason"]["drain"]["of"]) for step in steps]
    assert counted == [(n, left) for n in range(left - 1, 0, -1)]
    assert all(step["wait"] == 60 for step in steps)
    settled = [answer for answer in interpreter.outputs(execution, "ScaleDown") if answer["reason"]["code"] == "settled"]
    assert [answer["next"] for answer in settled] == ["CheckAndCreateService"]

    # Deployed twice, so the first target group serves again.
    assert_deployed(chat, EVENT["taskDefinition"], production)
    lock = interpreter.lock(chat)
    assert_free(lock)
    assert int(lock["fence"]) == fence + 2
