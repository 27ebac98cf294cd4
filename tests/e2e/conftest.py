"""What the tests run on, started once: the shipped stack, and a second interpreter beside it."""

import json
import os
import subprocess

import pytest

import stack
from interpreter import Interpreter
from world import Service, World

os.environ.setdefault("EBBTIDE_BIN", str(stack.BIN))

# A deployment of 17 simulated minutes takes some 6 seconds.
SPEED = 200


@pytest.fixture(scope="session")
def deployed(request):
    """The stack: simulated AWS, MiniStack, the template deployed."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def say(what):
        print(f"\n[e2e] {what}", end="", flush=True)

    with capture.global_and_fixture_disabled():
        print()
        # Several workers at once use what `make` has built.
        running = stack.running(SPEED, say, built="PYTEST_XDIST_WORKER" in os.environ)
        up = running.__enter__()
        print()
    yield up
    running.__exit__(None, None, None)


@pytest.fixture(scope="session")
def ministack(deployed):
    """MiniStack's interpreter, with the state machine of the stack."""
    return Interpreter("MiniStack", deployed.ministack, deployed.state_machine, deployed, start_with=deployed.live)


@pytest.fixture(scope="session")
def services(deployed):
    """MiniStack's interpreter with the state machine that deploys several services."""
    return Interpreter("MiniStack", deployed.ministack, deployed.services, deployed)


@pytest.fixture(scope="session")
def moto(deployed, ministack):
    """moto's interpreter with the definition that CloudFormation has put together. Its executions are moto's own."""
    definition = ministack.client.describe_state_machine(stateMachineArn=deployed.state_machine)
    with stack.moto(deployed.logs, deployed.speed, deployed.ministack) as endpoint:
        created = stack.client("stepfunctions", endpoint).create_state_machine(
            name="ebbtide", definition=definition["definition"], roleArn=definition["roleArn"]
        )
        deployed.engines.append(endpoint)
        yield Interpreter("moto", endpoint, created["stateMachineArn"], deployed)


@pytest.fixture(params=["ministack", "moto"])
def interpreter(request):
    """Each of the two interpreters: what holds under one holds under the other."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def world(deployed):
    return World(deployed.aws)


@pytest.fixture(scope="session")
def sample(world):
    """The service of events/sample.json, which `ebbtide serve --event` begins with."""
    event = json.loads(stack.EVENT.read_text())
    return Service(world, event["cluster"], event["serviceName"], event["nlb"])


@pytest.fixture(scope="session")
def chat(world):
    """The service of events/minimal.json."""
    original = world.register("chat")
    world.register("chat")
    return world.put_in_service("main", "chat", original)


@pytest.fixture(scope="session")
def simulate(tmp_path_factory):
    """The summary of a deployment under our own interpreter, of a file or of what is in one."""

    def summary(event, scenario=None):
        folder = tmp_path_factory.mktemp("simulate")
        if isinstance(event, dict):
            (folder / "event.json").write_text(json.dumps(event))
            event = folder / "event.json"
        (folder / "scenario.json").write_text(json.dumps(scenario or {}))
        command = [stack.BIN, "simulate", event, "--format", "json", "--scenario", folder / "scenario.json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode in (0, 1), done.stderr
        [only] = json.loads(done.stdout)["deployments"]
        return only["summary"]

    return summary
