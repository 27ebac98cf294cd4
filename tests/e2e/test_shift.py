"""Traffic that moves in steps, under two interpreters of the state machine, and as an operator steers it."""

import json

import stack
from command_line import CommandLine
from interpreter import order
from test_deployment import assert_deployed
from test_lock import assert_free

EVENT = json.loads((stack.ROOT / "events" / "minimal.json").read_text())
STEPS = {"steps": [{"percent": 20, "for": 120}, {"percent": 60, "for": 120}]}


def shares(service, group):
    """Percent of new connections to port 80 that go to a target group."""
    [listener] = [one for one in service.listeners() if one["Port"] == 80]
    [action] = listener["DefaultActions"]
    weights = {one["TargetGroupArn"]: one["Weight"] for one in action["ForwardConfig"]["TargetGroups"]}
    return 100 * weights.get(group, 0) / sum(weights.values())


def seen_at(service, group, share):
    service.wait_until(lambda: shares(service, group) == share, f"{share} % of new connections on {group}", seconds=120)


def test_traffic_moves_in_the_steps_that_were_asked_for(interpreter, chat, simulate):
    event = {**EVENT, "shift": STEPS}
    alternate = chat.alternate()
    execution = interpreter.start(event)
    for share in (20, 60, 100):
        seen_at(chat, alternate, share)
    ended = interpreter.ended(execution)
    assert (ended.status, ended.error, ended.cause) == ("SUCCEEDED", None, None)
    assert_deployed(chat, EVENT["taskDefinition"], alternate)
    assert ended.order == order(simulate(event)["states"])
    assert_free(interpreter.lock(chat))


def test_an_operator_promotes_or_goes_back_in_the_middle(deployed, ministack, chat):
    ebbtide = CommandLine(deployed)
    event = {**EVENT, "shift": {"percent": 20, "for": 86_400}}
    for command, share, error in (("rollback", 0, "OperatorRollback"), ("promote", 100, None)):
        [original] = chat.task_sets()
        production, alternate = chat.forwards_to(80), chat.alternate()
        execution = ministack.start(event)
        seen_at(chat, alternate, 20)
        ebbtide.run(command, "main/chat", "--by", "alice", "--format", "json")
        seen_at(chat, alternate, share)
        ended = ministack.ended(execution)
        assert ended.error == error, ended
        if error:
            chat.wait_until(lambda: len(chat.task_sets()) == 1, "the end of the replacement")
            assert assert_deployed(chat, original["taskDefinition"], production) == original["id"]
            assert "At 20 % of new connections" in ended.cause
        else:
            assert_deployed(chat, EVENT["taskDefinition"], alternate)
        assert_free(ministack.lock(chat))
