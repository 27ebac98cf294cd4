"""Ways to pace a drain, under engines that are not ours."""

import json

import pytest

import stack
from test_deployment import assert_deployed

EVENT = json.loads((stack.ROOT / "events" / "minimal.json").read_text())


@pytest.mark.parametrize(
    "drain, says",
    [
        ({"within": 90}, "step 1 of 4: scaled to"),
        ({"tasks": 2, "every": 30}, "step 1 of 2: scaled to"),
        (
            {"reconnectsPerSecond": 500, "connectionsPerTask": 5000, "deadline": 3600},
            "at the planned pace, because CloudWatch has no new values",
        ),
    ],
    ids=["within a time", "so many tasks a step", "a budget without metrics"],
)
def test_a_drain_is_paced(interpreter, chat, drain, says):
    alternate = chat.forwards_to(8080)
    execution = interpreter.start({**EVENT, "drain": drain})
    ended = interpreter.ended(execution)
    assert ended.status == "SUCCEEDED", ended.cause
    assert_deployed(chat, ended.output["taskDefinition"], alternate)
    reasons = [answer["reason"]["text"] for answer in interpreter.outputs(execution, "ScaleDown")]
    assert any(says in reason for reason in reasons), reasons
    assert ended.output["steps"] == (2 if "tasks" in drain else 4)
