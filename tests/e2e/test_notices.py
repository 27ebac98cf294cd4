"""Notifications of deployments, in JSON on a topic. Under MiniStack alone: moto's executions send no events."""

import json
import re

import pytest

import stack

SAMPLE = json.loads(stack.EVENT.read_text())
EVENT = json.loads((stack.ROOT / "events" / "minimal.json").read_text())


@pytest.fixture(scope="module")
def topic(deployed):
    """Messages of the topic since the last call, read by a queue that is subscribed to it."""
    sqs, sns = deployed.client("sqs"), deployed.client("sns")
    queue = sqs.create_queue(QueueName="deployment-events")["QueueUrl"]
    subscription = sns.subscribe(
        TopicArn=deployed.resource("DeploymentEvents"),
        Protocol="sqs",
        Endpoint=sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"],
        Attributes={"RawMessageDelivery": "true"},
        ReturnSubscriptionArn=True,
    )["SubscriptionArn"]

    def received():
        messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
        for message in messages:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]

    yield received
    sns.unsubscribe(SubscriptionArn=subscription)


def test_the_start_and_the_end_of_every_deployment_are_messages_in_json(deployed, ministack, chat, topic):
    succeeded = ministack.start({**EVENT, "dryRun": True})
    assert ministack.ended(succeeded).status == "SUCCEEDED"
    failed = ministack.start({**SAMPLE, "waitForService": -1})
    end = ministack.ended(failed)
    # While its preflight runs; it would change nothing.
    stopped = ministack.start({**EVENT, "dryRun": True})
    ministack.stop(stopped)
    assert ministack.ended(stopped).status == "ABORTED"

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
