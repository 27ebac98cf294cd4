"""Executions of the state machine, under whichever interpreter."""

import dataclasses
import itertools
import json
import time

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
    """A Step Functions endpoint with the state machine on it."""

    def __init__(self, name, client, state_machine):
        self.name = name
        self.client = client
        self.state_machine = state_machine

    def run(self, event, seconds=180):
        """Starts an execution with an event (a dict, or JSON text) and waits for its end."""
        text = event if isinstance(event, str) else json.dumps(event)
        execution = self.client.start_execution(
            stateMachineArn=self.state_machine, name=f"e2e-{next(NUMBERS)}", input=text
        )["executionArn"]
        return self.ended(execution, seconds)

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
        pages = self.client.get_paginator("get_execution_history").paginate(executionArn=execution)
        events = (event for page in pages for event in page["events"])
        entered = (event.get("stateEnteredEventDetails") for event in events)
        return [details["name"] for details in entered if details]


def order(states):
    """The states with every loop cut out: how often one turns is a matter of timing."""
    path = []
    for state in states:
        if state in path:
            del path[path.index(state) :]
        path.append(state)
    return path
