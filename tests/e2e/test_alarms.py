"""CloudWatch alarms stop a deployment, and bring traffic back where it had moved."""

import json

import pytest

import stack
from test_deployment import assert_deployed
from test_lock import assert_free

EVENT = json.loads((stack.ROOT / "events" / "minimal.json").read_text())
ALARM = "chat-errors"


def test_an_alarm_during_the_drain_brings_traffic_back_to_the_original_while_it_is_warm(interpreter, chat, simulate):
    [original] = chat.task_sets()
    production = chat.forwards_to(80)
    interpreter.alarm(ALARM, "OK")

    event = {**EVENT, "alarms": [ALARM], "scaledown_wait": 240}
    execution = interpreter.start(event)
    chat.wait_until(lambda: chat.task_set(original["id"])["computedDesiredCount"] < 4, "a step of the drain")
    assert chat.forwards_to(80) != production
    interpreter.alarm(ALARM, "ALARM")
    ended = interpreter.ended(execution)

    assert (ended.status, ended.error) == ("FAILED", "AlarmRaised")
    assert ALARM in ended.cause
    assert "Rolled back" in ended.cause
    assert chat.forwards_to(80) == production
    assert assert_deployed(chat, original["taskDefinition"], production) == original["id"]
    # The original is back at full strength before it gets the traffic, and the replacement, which
    # has served, is drained like an original.
    back = ended.states[ended.states.index("Rollback") :]
    assert "Swap" in back
    assert back.count("ScaleDown") >= 4
    restored = interpreter.outputs(execution, "Rollback")[-1]
    assert (restored["next"], restored["reason"]["code"]) == ("Swap", "restored")
    assert original["id"] in restored["reason"]["text"]
    assert_free(interpreter.lock(chat))

    fires = {"name": ALARM, "changes": [{"afterSeconds": 700, "state": "ALARM"}]}
    simulated = simulate(event, {"alarms": [fires]})
    assert simulated["error"] == "AlarmRaised"
    # In its order a state that comes again cuts the way to it out, so each is asked for by itself.
    assert set(ended.states) == set(simulated["states"])


@pytest.mark.parametrize(
    "alarm, state, error",
    [("no-such-alarm", None, "PreflightFailed"), ("rings-already", "ALARM", "AlarmRaised")],
    ids=["an alarm that does not exist", "an alarm that rings already"],
)
def test_nothing_is_created_under(interpreter, chat, alarm, state, error):
    if state:
        interpreter.alarm(alarm, state)
    before = chat.everything()
    ended = interpreter.run({**EVENT, "alarms": [alarm]})
    assert (ended.status, ended.error) == ("FAILED", error)
    assert alarm in ended.cause
    assert chat.everything() == before
    assert_free(interpreter.lock(chat))
