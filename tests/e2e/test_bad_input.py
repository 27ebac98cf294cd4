"""Bad input fails the execution by the field's name, before anything is written."""

import json

import pytest

import stack

GONE = object()
SAMPLE = json.loads(stack.EVENT.read_text())
HERE = f"{stack.REGION}:{stack.ACCOUNT}"

# What is wrong: the field, what it holds.
BAD = {
    "a missing field": ("cluster", GONE),
    "an empty field": ("serviceName", ""),
    "an unknown field": ("scaledownDecrement", 25),
    "a number as a string": ("waitForService", "60"),
    "a string as a list": ("subnets", "subnet-1234567890abcdef0"),
    "null": ("taskDefinition", None),
    "zero": ("scaledown_decrement", 0),
    "over a hundred percent": ("scaledown_decrement", 100.5),
    "negative": ("scaledown_wait", -1),
    "a fraction of a second": ("waitForService", 1.5),
    "huge": ("scaledown_wait", 10**12),
    "another account": ("taskDefinition", f"arn:aws:ecs:{stack.REGION}:111111111111:task-definition/web:1"),
    "another region": ("cluster", f"arn:aws:ecs:eu-west-1:{stack.ACCOUNT}:cluster/{SAMPLE['cluster']}"),
    "another partition": ("cluster", f"arn:aws-cn:ecs:{HERE}:cluster/{SAMPLE['cluster']}"),
    "another type": ("nlb", f"arn:aws:elasticloadbalancing:{HERE}:targetgroup/web/0123456789abcdef"),
    "no revision": ("taskDefinition", "sample-infra-TaskDefinition-1234567890ab"),
}


@pytest.mark.parametrize("field, value", BAD.values(), ids=BAD.keys())
def test_bad_input_fails_the_execution_and_writes_nothing(interpreter, sample, field, value):
    event = {**SAMPLE, field: value}
    if value is GONE:
        del event[field]
    before = sample.everything()
    ended = interpreter.run(event)
    assert (ended.status, ended.error) == ("FAILED", "InvalidInput")
    assert ended.states == ["Preflight", "MayDeploy", "DeploymentFailed"]
    assert field in ended.cause
    if field == "scaledownDecrement":
        assert "did you mean scaledown_decrement?" in ended.cause
    else:
        assert "allowed" in ended.cause and (value is GONE or json.dumps(value) in ended.cause)
    assert sample.everything() == before


def test_an_input_that_is_no_object_is_refused(interpreter, sample):
    before = sample.everything()
    ended = interpreter.run([SAMPLE])
    assert (ended.status, ended.error) == ("FAILED", "InvalidInput")
    assert sample.everything() == before
