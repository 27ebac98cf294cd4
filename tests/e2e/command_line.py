"""The program `ebbtide`, with its calls led to MiniStack."""

import subprocess
import time

import stack

# What a CI system that runs these tests has set is not theirs.
CI = dict.fromkeys(["GITHUB_ACTIONS", "GITHUB_SHA", "GITHUB_STEP_SUMMARY", "CI_COMMIT_SHA"])


class CommandLine:
    def __init__(self, up):
        self.up = up
        self.client = up.client("stepfunctions")

    def environment(self, **more):
        env = {**stack.environment(**self.up.endpoints()), **CI, **more}
        return {name: value for name, value in env.items() if value is not None}

    def run(self, *arguments, **environment):
        """Runs it to its end; a variable that is None is not set."""
        process = self.start(*arguments, **environment)
        with process:
            try:
                output, errors = process.communicate(timeout=180)
            finally:
                process.kill()
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def start(self, *arguments, stdin=subprocess.DEVNULL, **environment):
        return subprocess.Popen(
            [str(stack.BIN), *map(str, arguments)],
            env=self.environment(**environment),
            cwd=stack.ROOT,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def executions(self, name):
        """The ARNs of those whose name begins so."""
        pages = self.client.get_paginator("list_executions").paginate(stateMachineArn=self.up.state_machine)
        listed = [one for page in pages for one in page["executions"]]
        return sorted(one["executionArn"] for one in listed if one["name"].startswith(name))

    def status(self, arn):
        return self.client.describe_execution(executionArn=arn)["status"]

    def ended(self, arn, seconds=180):
        """The status it ends with."""
        self.wait_until(lambda: self.status(arn) != "RUNNING", f"the end of {arn}", seconds)
        return self.status(arn)

    def reaches(self, arn, state, seconds=60):
        """Waits until an execution has entered a state."""

        def entered():
            pages = self.client.get_paginator("get_execution_history").paginate(executionArn=arn)
            events = (event for page in pages for event in page["events"])
            return any(event.get("stateEnteredEventDetails", {}).get("name") == state for event in events)

        self.wait_until(entered, f"{arn} in {state}", seconds)

    def wait_until(self, holds, what, seconds):
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"not seen in {seconds} s: {what}"
            time.sleep(0.1)
