"""Executions of the state machine, under whichever interpreter."""

import dataclasses
import itertools
import json
import time

import stack

NUMBERS = itertools.count(1)


@dataclasses.dataclass
class Ended:
    """How an execution ended, and the states in the order they were entered."""

    status: str
    output: dict | None
    error: str | None
    cause: str | None
    states: list[str]

    @property
    def order(self):
        return order(self.states)


class Interpreter:
    """A Step Functions endpoint with the state machine on it; the locks and the alarms that the functions see."""

    def __init__(self, name, endpoint, state_machine, deployed, start_with=None):
        self.name = name
        self.client = stack.client("stepfunctions", endpoint)
        self.dynamodb = deployed.client("dynamodb")
        self.cloudwatch = deployed.client("cloudwatch")
        self.state_machine = state_machine
        # An alias of it, where it has one.
        self.start_with = start_with or state_machine
        self.lock_table = deployed.lock_table

    def run(self, event, seconds=180):
        """Starts an execution with an event (a dict, or JSON text) and waits for its end."""
        return self.ended(self.start(event), seconds)

    def start(self, event):
        text = event if isinstance(event, str) else json.dumps(event)
        return self.client.start_execution(
            stateMachineArn=self.start_with, name=f"e2e-{next(NUMBERS)}", input=text
        )["executionArn"]

    def stop(self, execution):
        self.client.stop_execution(executionArn=execution, error="Stopped", cause="by a person")

    def ended(self, execution, seconds=180):
        deadline = time.monotonic() + seconds
        while (seen := self.client.describe_execution(executionArn=execution))["status"] == "RUNNING":
            assert time.monotonic() < deadline, f"{self.name}: runs on after {seconds} s: {self.states(execution)}"
            time.sleep(0.1)
        output = seen.get("output") if seen["status"] == "SUCCEEDED" else None
        return Ended(
            status=seen["status"],
            output=json.loads(output) if output else None,
            error=seen.get("error"),
            cause=seen.get("cause"),
            states=self.states(execution),
        )

    def states(self, execution):
        entered = (event.get("stateEnteredEventDetails") for event in self.history(execution))
        return [details["name"] for details in entered if details]

    def outputs(self, execution, state):
        """What a state left behind, each time."""
        exited = (event.get("stateExitedEventDetails") for event in self.history(execution))
        return [json.loads(details["output"]) for details in exited if details and details["name"] == state]

    def history(self, execution):
        pages = self.client.get_paginator("get_execution_history").paginate(executionArn=execution)
        return [event for page in pages for event in page["events"]]

    def lock(self, service):
        """The lock of a service: its attributes' values, text, numbers as text, or the texts of a list."""
        key = {"id": {"S": f"{service.cluster}/{service.name}"}}
        found = self.dynamodb.get_item(TableName=self.lock_table, Key=key, ConsistentRead=True).get("Item", {})
        values = {name: content for name, value in found.items() for content in value.values()}
        return {**values, "ends": [end["S"] for end in values.get("ends", [])]}

    def own_lock(self, service, owner):
        """Makes an execution the owner of a service's lock, as its first turn does."""
        self.dynamodb.update_item(
            TableName=self.lock_table,
            Key={"id": {"S": f"{service.cluster}/{service.name}"}},
            UpdateExpression="SET #owner = :owner ADD rev :one, fence :one",
            ExpressionAttributeNames={"#owner": "owner"},
            ExpressionAttributeValues={":one": {"N": "1"}, ":owner": {"S": owner}},
        )

    def alarm(self, name, state):
        """Has CloudWatch report an alarm in a state."""
        self.cloudwatch.put_metric_alarm(
            AlarmName=name,
            Namespace="e2e",
            MetricName="errors",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            ComparisonOperator="GreaterThanThreshold",
            Threshold=0,
        )
        self.cloudwatch.set_alarm_state(AlarmName=name, StateValue=state, StateReason="because")


def order(states):
    """The states with every loop cut out: how often one turns is a matter of timing."""
    path = []
    for state in states:
        if state in path:
            del path[path.index(state) :]
        path.append(state)
    return path
