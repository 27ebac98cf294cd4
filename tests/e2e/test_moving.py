"""docs/moving.md: its commands, from a service that another tool deploys to one behind the same load balancer."""

import json
import re
import subprocess

import pytest

import stack
from command_line import CommandLine
from world import SECURITY_GROUPS, SUBNETS, Service

PAGE = (stack.ROOT / "docs" / "moving.md").read_text()
# What the page calls `chat`, which is the name of a service of other tests.
NAME = "veteran"


def commands(name):
    [block] = re.findall(rf"<!-- test: {name} -->\n```sh\n(.*?)```\n", PAGE, re.DOTALL)
    return block.replace("chat", NAME)


@pytest.fixture(scope="module")
def first(world):
    """The service that is there. Another tool's would be one of ECS's controller, which the simulated ECS lacks."""
    return world.put_in_service("main", NAME, world.register(NAME), tasks=2)


@pytest.fixture(scope="module")
def shell(deployed, first, tmp_path_factory):
    folder = tmp_path_factory.mktemp("moving")
    production, _ = first.listeners()
    given = {
        "NLB": first.load_balancer,
        "PRODUCTION": production["ListenerArn"],
        "VPC": "vpc-0000000000000000a",
        "SUBNET_A": SUBNETS[0],
        "SUBNET_B": SUBNETS[1],
        "TASK_SG": SECURITY_GROUPS[0],
        "PAUSE_SECONDS": "0",
    }

    def run(name):
        env = stack.environment(**deployed.endpoints(), **given)
        done = subprocess.run(["sh", "-c", commands(name)], env=env, cwd=folder, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return folder

    return run


def test_every_marked_part_is_tested():
    assert re.findall(r"<!-- test: (\S+) -->", PAGE) == ["beside", "over", "drain"]


def test_a_second_service_takes_over_the_listener_of_the_first(deployed, world, first, shell):
    ebbtide = CommandLine(deployed)
    second = Service(world, "main", f"{NAME}-2", first.load_balancer)
    before = first.forwards_to(80)

    folder = shell("beside")
    deploy = ("deploy", folder / "deploy.json", "--state-machine", deployed.live, "--every", "1", "--task-definition")
    done = ebbtide.run(*deploy, world.register(NAME))
    assert done.returncode == 0, done.stdout + done.stderr
    serves = second.forwards_to(9001)
    assert world.healthy(serves) == 4
    # Users are where they were.
    assert first.forwards_to(80) == before and world.healthy(before) == 2

    shell("over")
    assert [listener["Port"] for listener in second.listeners()] == [80, 8080, 9002]
    assert first.forwards_to(80) == serves
    shell("drain")
    assert first.described()["desiredCount"] == 0
    first.wait_until(lambda: first.described()["runningCount"] == 0, "the tasks of the first service have stopped")

    # The next one needs names only (the rest is for the test to be short), and moves the listener that users reach.
    event = {"cluster": "main", "serviceName": f"{NAME}-2", "drain": {"tasks": 4}, "bakeTime": 0}
    (folder / "deploy.json").write_text(json.dumps(event))
    done = ebbtide.run(*deploy, world.register(NAME))
    assert done.returncode == 0, done.stdout + done.stderr
    assert second.forwards_to(80) not in (before, serves)
    assert second.forwards_to(9002) == serves
    [task_set] = second.task_sets()
    assert (task_set["status"], task_set["runningCount"]) == ("PRIMARY", 4)
