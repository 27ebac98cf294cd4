"""Notifications of deployments: in JSON on a topic, and in a line where there was no success.

Under MiniStack alone: moto's executions send no events. MiniStack's EventBridge writes to no log
group, so the rule gets a queue as a second target, with the same transformer.
"""

import json
import re

import pytest

import stack

SAMPLE = json.loads(stack.EVENT.read_text())
EVENT = json.loads((stack.ROOT / "events" / "minimal.json").read_text())


def queue_of(sqs, name):
    """A queue: its ARN, and what reads the messages that have come since the last call."""
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def received():
        messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
        for message in messages:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]

    return arn, received


@pytest.fixture(scope="module")
def topic(deployed):
    """Messages of the topic since the last call, read by a subscriber."""
    arn, received = queue_of(deployed.client("sqs"), "deployment-events")
    subscription = deployed.client("sns").subscribe(
        TopicArn=deployed.resource("DeploymentEvents"),
        Protocol="sqs",
        Endpoint=arn,
        Attributes={"RawMessageDelivery": "true"},
        ReturnSubscriptionArn=True,
    )["SubscriptionArn"]
    yield received
    deployed.client("sns").unsubscribe(SubscriptionArn=subscription)


@pytest.fixture(scope="module")
def notices(deployed):
    """Lines that the rule has sent since the last call."""
    events = deployed.client("events")
    rule = deployed.resource("NotSucceededRule")
    [target] = events.list_targets_by_rule(Rule=rule)["Targets"]
    assert target["Arn"].endswith(f":log-group:{deployed.resource('NotSucceededLogGroup')}")
    arn, received = queue_of(deployed.client("sqs"), "notices")
    events.put_targets(Rule=rule, Targets=[{**target, "Id": "Queue", "Arn": arn}])
    yield received
    events.remove_targets(Rule=rule, Ids=["Queue"])


def stopped_at_once(ministack):
    """An execution that is stopped while its preflight runs. It would change nothing."""
    stopped = ministack.start({**EVENT, "dryRun": True})
    ministack.stop(stopped)
    assert ministack.ended(stopped).status == "ABORTED"
    return stopped


def test_the_start_and_the_end_of_every_deployment_are_messages_in_json(deployed, ministack, chat, topic):
    succeeded = ministack.start({**EVENT, "dryRun": True})
    assert ministack.ended(succeeded).status == "SUCCEEDED"
    failed = ministack.start({**SAMPLE, "waitForService": -1})
    end = ministack.ended(failed)
    stopped = stopped_at_once(ministack)

    told = {(message["execution"], message["status"]): message for message in topic()}
    ends = {succeeded: "SUCCEEDED", failed: "FAILED", stopped: "ABORTED"}
    assert set(told) == {(execution, "RUNNING") for execution in ends} | set(ends.items())
    started = {"source", "version", "time", "status", "execution", "name", "stateMachine", "started"}
    for (execution, status), message in told.items():
        fields = started if status == "RUNNING" else started | {"stopped"}
        assert set(message) == (fields | {"error", "cause"} if status == "FAILED" else fields)
        assert (message["source"], message["version"]) == ("ebbtide", 1)
        assert (message["stateMachine"], message["name"]) == (deployed.state_machine, execution.rsplit(":", 1)[1])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", message["time"])
        assert message["started"] <= message.get("stopped", message["started"])
    # The cause is text with quotation marks in it, and still one string of the JSON.
    failure = told[failed, "FAILED"]
    assert (failure["error"], failure["cause"]) == ("InvalidInput", end.cause)


def test_a_swap_and_the_end_of_a_drain_are_messages_in_json(deployed, ministack, chat, topic):
    topic()
    execution = ministack.start(EVENT)
    ended = ministack.ended(execution)
    assert ended.status == "SUCCEEDED"

    messages = [message for message in topic() if message["execution"] == execution]
    told = {message["status"]: message for message in messages}
    assert set(told) == {"RUNNING", "SWAPPED", "DRAINED", "SUCCEEDED"}
    for status in ["SWAPPED", "DRAINED"]:
        message = told[status]
        assert set(message) == {
            *("source", "version", "time", "status", "execution", "name", "stateMachine", "cluster", "service"),
            *("taskSet", "targetGroup", "previousTaskSet", "reason"),
        }
        assert (message["source"], message["version"], message["stateMachine"]) == ("ebbtide", 1, deployed.state_machine)
        assert (message["cluster"], message["service"]) == (chat.cluster, chat.name)
        for field in ["taskSet", "targetGroup", "previousTaskSet"]:
            assert message[field] == ended.output[field]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", message["time"])
    assert told["SWAPPED"]["time"] <= told["DRAINED"]["time"]
    swapped = ministack.outputs(execution, "Swap")[0]
    assert told["SWAPPED"]["reason"] == swapped["reason"]["text"]


def test_a_failure_and_a_stop_are_a_line_each_and_a_success_is_none(deployed, ministack, chat, notices):
    assert ministack.run({**EVENT, "dryRun": True}).status == "SUCCEEDED"
    failed = ministack.start({**SAMPLE, "waitForService": -1})
    assert ministack.ended(failed).status == "FAILED"
    stopped = stopped_at_once(ministack)

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
