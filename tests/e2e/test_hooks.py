"""Functions of the user's as hooks, written for ECS's own deployments, under two interpreters of the state machine."""

import io
import json
import textwrap
import zipfile

import pytest

import stack
from test_deployment import assert_deployed
from test_lock import assert_free

EVENT = json.loads((stack.ROOT / "events" / "minimal.json").read_text())

# As AWS's guide has them: asked again until something is done, with what it has passed on; a check of the weights;
# an answer without a status; an error.
FUNCTIONS = {
    "hook-patient": """
        def handler(event, context):
            seen = event["hookDetails"].get("seen", 0) + 1
            if seen < 3:
                return {"hookStatus": "IN_PROGRESS", "callBackDelay": 60, "hookDetails": {"seen": seen}}
            return {"hookStatus": "SUCCEEDED"}
    """,
    "hook-weights": """
        def handler(event, context):
            target = event["executionDetails"]["targetServiceRevisionArn"]
            tests, users = event["testTrafficWeights"], event["productionTrafficWeights"]
            right = event["lifecycleStage"] == "POST_TEST_TRAFFIC_SHIFT" and tests[target] == 100 and users[target] == 0
            return {"hookStatus": "SUCCEEDED" if right else "FAILED", "event": event}
    """,
    "hook-fails": """
        def handler(event, context):
            return {"hookStatus": "FAILED", "reason": "3 of 10 requests failed"}
    """,
    "hook-silent": """
        def handler(event, context):
            return "SUCCEEDED"
    """,
    "hook-raises": """
        def handler(event, context):
            raise ValueError("no such bucket")
    """,
}


def arn(name):
    return f"arn:aws:lambda:{stack.REGION}:{stack.ACCOUNT}:function:{name}"


@pytest.fixture(scope="module", autouse=True)
def functions(deployed):
    client = deployed.client("lambda")
    for name, source in FUNCTIONS.items():
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("hook.py", textwrap.dedent(source))
        client.create_function(
            FunctionName=name,
            Runtime="python3.12",
            Handler="hook.handler",
            Role=f"arn:aws:iam::{stack.ACCOUNT}:role/hooks",
            Code={"ZipFile": packed.getvalue()},
            Timeout=30,
        )
    yield
    for name in FUNCTIONS:
        client.delete_function(FunctionName=name)


def with_hooks(*hooks):
    return {**EVENT, "hooks": [{"at": at, "lambda": arn(name)} for at, name in hooks]}


def test_hooks_that_were_written_for_ecs_decide_about_a_deployment(interpreter, chat):
    alternate = chat.alternate()
    event = with_hooks(("POST_TEST_TRAFFIC_SHIFT", "hook-weights"), ("afterSwap", "hook-patient"), ("beforeDrain", "hook-patient"))
    execution = interpreter.start(event)
    ended = interpreter.ended(execution)
    assert ended.status == "SUCCEEDED", ended
    assert ended.states.count("Hook") == ended.states.count("AfterHook") == 1 + 3 + 3
    assert_deployed(chat, EVENT["taskDefinition"], alternate)
    assert_free(interpreter.lock(chat))


@pytest.mark.parametrize(
    "at, name, said",
    [
        ("beforeSwap", "hook-fails", "answered FAILED: {"),
        ("afterSwap", "hook-silent", "gave no hookStatus"),
        ("afterHealthy", "hook-raises", "no such bucket"),
        ("beforeCreate", "hook-nowhere", "hook-nowhere"),
    ],
)
def test_a_hook_that_does_not_succeed_leads_back(interpreter, chat, at, name, said):
    [original] = chat.task_sets()
    production = chat.forwards_to(80)
    ended = interpreter.run(with_hooks((at, name)))
    assert (ended.status, ended.error) == ("FAILED", "CheckFailed"), ended
    assert f"Hook {name} at {at} " in ended.cause and said in ended.cause, ended.cause
    chat.wait_until(lambda: len(chat.task_sets()) == 1, "the end of the replacement")
    assert assert_deployed(chat, original["taskDefinition"], production) == original["id"]
    assert_free(interpreter.lock(chat))


def test_a_function_that_the_installation_does_not_allow_is_not_called(interpreter, chat):
    before = chat.everything()
    ended = interpreter.run(with_hooks(("beforeCreate", "other")))
    assert (ended.status, ended.error) == ("FAILED", "PreflightFailed")
    assert "HookArns" in ended.cause
    assert chat.everything() == before
