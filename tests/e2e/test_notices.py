"""A deployment that ends without success is told of, outside of itself.

Under MiniStack alone: moto's executions send no events. MiniStack's EventBridge writes to no log
group, so the rule gets a queue as a second target, with the same transformer.
"""

import json
import re

import pytest

import stack

SAMPLE = json.loads(stack.EVENT.read_text())
EVENT = json.loads((stack.ROOT / "events" / "minimal.json").read_text())


@pytest.fixture(scope="module")
def notices(deployed):
    """Lines that the rule has sent since the last call."""
    events = stack.client("events", deployed.ministack)
    sqs = stack.client("sqs", deployed.ministack)
    rule = deployed.resource("NotSucceededRule")
    [target] = events.list_targets_by_rule(Rule=rule)["Targets"]
    assert target["Arn"].endswith(f":log-group:{deployed.resource('NotSucceededLogGroup')}")
    queue = sqs.create_queue(QueueName="notices")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_targets(Rule=rule, Targets=[{**target, "Id": "Queue", "Arn": arn}])

    def received():
        messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
        for message in messages:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]

    yield received
    events.remove_targets(Rule=rule, Ids=["Queue"])


def test_a_failure_and_a_stop_are_told_of_in_a_line_each_and_a_success_is_not(deployed, ministack, chat, notices):
    assert ministack.run({**EVENT, "dryRun": True}).status == "SUCCEEDED"
    failed = ministack.start({**SAMPLE, "waitForService": -1})
    assert ministack.ended(failed).status == "FAILED"
    # Stopped while it waits for the lock of an owner that has ended: nothing is deployed.
    ministack.own_lock(chat, failed)
    stopped = ministack.start(EVENT)
    chat.wait_until(lambda: "Grace" in ministack.states(stopped), "the execution waits for the lock")
    ministack.stop(stopped)
    ministack.own_lock(chat, None)

    told = notices()
    assert all(set(line) == {"timestamp", "message"} for line in told)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", line["timestamp"]) for line in told)
    messages = sorted(line["message"] for line in told)
    for message, execution, status in zip(messages, [stopped, failed], ["ABORTED", "FAILED"], strict=True):
        name = execution.rsplit(":", 1)[1]
        words = message.split(" ")
        assert words[:4] == [status, deployed.state_machine, execution, f"name={name}"]
        assert re.fullmatch(r"started=\d{13}", words[4])
        assert re.fullmatch(r"stopped=\d{13}", words[5])
        assert len(words) == 6


def test_the_metric_takes_the_line_apart_as_it_is_written(deployed):
    logs = stack.client("logs", deployed.ministack)
    [found] = logs.describe_metric_filters(logGroupName=deployed.resource("NotSucceededLogGroup"))["metricFilters"]
    fields = found["filterPattern"].strip("[]").split(", ")
    assert fields[0] == "status = ABORTED || status = FAILED || status = TIMED_OUT"
    assert fields[1:] == ["stateMachine", "execution", "name", "started", "stopped"]
    [metric] = found["metricTransformations"]
    assert (metric["metricNamespace"], metric["metricName"]) == ("Ebbtide", "DeploymentsNotSucceeded")
    assert metric["dimensions"] == {"StateMachineArn": "$stateMachine", "Status": "$status"}
