"""The shipped stack deploys services whose registries are moto's and MiniStack's: Cloud Map as other programs wrote it.
The tasks are the simulated ECS's, and `cloud_map.Registry` does in the registries what ECS documents."""

import contextlib
import itertools

import pytest

import cloud_map
import stack
from cloud_map import CLUSTER, TASKS, TTL
from command_line import CommandLine
from interpreter import Interpreter
from world import World

# The waits for clients' caches take real seconds, by the clock of the functions: a higher speed would only have them
# check more often.
SPEED = 20
# Seconds from the last UNHEALTHY to the first task that stops: AWS's 30 and the record's TTL. The functions count
# whole seconds, from before the writes.
FORGETTING = 30 + TTL - 1
PROGRAMS = ("moto", "MiniStack", "ebbtide serve")


class Scene:
    """The stack, and two services that are deployed side by side, one with a registry in each program."""

    def __init__(self, deployed, endpoints, registries):
        self.endpoints = endpoints
        self.registries = registries
        self.machine = Interpreter("MiniStack", deployed.ministack, deployed.state_machine, deployed, deployed.live)
        self.ebbtide = CommandLine(deployed)

    def start(self, **more):
        for registry in self.registries:
            registry.calls.clear()
        return [self.machine.start({**registry.event, **more}) for registry in self.registries]

    def succeeds(self, **more):
        for ended in map(self.machine.ended, self.start(**more)):
            if ended.error: print(ended.cause, *self.registries[0].calls, sep="\n")
            assert (ended.status, ended.error, ended.cause) == ("SUCCEEDED", None, None)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    logs = tmp_path_factory.mktemp("cloud-map")
    between = cloud_map.Between()
    with contextlib.ExitStack() as end:
        aws = between.aws = end.enter_context(stack.simulated_aws(logs / "serve.log", SPEED))
        ecs = end.enter_context(cloud_map.between.address(between.ecs))
        registries = end.enter_context(cloud_map.between.address(between.cloud_map))
        ministack = end.enter_context(stack.ministack(logs, SPEED, aws, ecs=ecs, cloud_map=registries))
        moto = end.enter_context(stack.moto(logs, SPEED, functions=aws))
        stack.deploy(ministack, logs / "deploy.log")
        deployed = stack.deployed(ministack, aws, [ministack], logs, SPEED)
        world = World(aws)
        world.ecs.create_cluster(clusterName=CLUSTER)
        endpoints = dict(zip(PROGRAMS, (moto, ministack, aws), strict=True))
        between.registries = [cloud_map.Registry(name, world, endpoints[name]) for name in PROGRAMS[:2]]
        end.enter_context(cloud_map.mirrored(between.registries))
        yield Scene(deployed, endpoints, between.registries)


# The order in which a deployment writes, in the two registries.
REPLACED = [
    ("CreateTaskSet", "replacement"),
    ("UpdateServicePrimaryTaskSet", "replacement"),
    ("UNHEALTHY", "original"),
    ("UpdateTaskSet", "original"),
    ("DeleteTaskSet", "original"),
]


def order(registry, original=None):
    """The functions' writes and what they are for; those in a row once."""
    named = [
        (one.what, "original" if one.label == original else "replacement") for one in registry.calls if one.by == "Ebbtide"
    ]
    return [one for one, _ in itertools.groupby(named)]


def in_service(registry):
    """The label of the only task set: PRIMARY, and alone in the registry with as many tasks as are desired."""
    [task_set] = registry.task_sets()
    assert (task_set["status"], task_set["scale"]["value"], task_set["runningCount"]) == ("PRIMARY", 100.0, TASKS)
    its = [(task_set["externalId"], "HEALTHY")] * TASKS
    registry.wait_until(lambda: list(registry.instances().values()) == its, "the registry has its tasks alone")
    return task_set["externalId"]


def assert_forgotten_before_tasks_stopped(registry, label):
    """When the first task of a set stopped, clients had found none of them for long enough."""
    calls = [one for one in registry.calls if one.label == label]
    taken_out = [one for one in calls if one.by == "Ebbtide" and one.what in ("UNHEALTHY", "DeregisterInstance")]
    stopped = [one for one in calls if one.by == "ECS" and one.what == "DeregisterInstance"]
    lowered = [one for one in calls if one.lowers]
    assert {one.instance for one in taken_out} == {one.instance for one in stopped} != set()
    assert {one.found for one in lowered + stopped} == {frozenset()}
    assert lowered[0].at - taken_out[-1].at >= FORGETTING


@pytest.fixture(scope="module")
def first(scene):
    """The first deployment of both services, and then the label of what is in service."""
    assert [registry.task_sets() for registry in scene.registries] == [[], []]
    scene.succeeds()
    for registry in scene.registries:
        assert order(registry) == REPLACED[:2]


@pytest.fixture
def originals(scene, first):
    """The services, each with the label of its only task set."""
    return {registry: in_service(registry) for registry in scene.registries}


def test_a_task_set_is_taken_out_before_its_tasks_stop(scene, originals):
    scene.succeeds()
    for registry, original in originals.items():
        assert order(registry, original) == REPLACED
        assert_forgotten_before_tasks_stopped(registry, original)
        assert in_service(registry) != original


def test_a_shift_by_tasks_x(scene, originals):
    scene.succeeds(shift={"percent": 50, "for": 60})
    for registry, original in originals.items():
        print(order(registry, original))
        assert_forgotten_before_tasks_stopped(registry, original)
        assert in_service(registry) != original


def test_instances_that_ecs_sets_back_are_deregistered_x(scene, originals):
    for registry in originals:
        registry.restores = True
    scene.succeeds()
    for registry, original in originals.items():
        registry.restores = False
        print(order(registry, original))
        assert_forgotten_before_tasks_stopped(registry, original)
        assert in_service(registry) != original


def test_a_rollback_puts_the_original_back_x(scene, originals):
    executions = scene.start()
    for registry, original in originals.items():
        registry.wait_until(lambda: len(registry.found(original)) == 0, "the original is taken out")
        print(scene.ebbtide.run("rollback", f"{CLUSTER}/{registry.name}", "--by", "alice"))
    for ended in map(scene.machine.ended, executions):
        assert (ended.status, ended.error) == ("FAILED", "OperatorRollback"), ended
    for registry, original in originals.items():
        print(order(registry, original))
        assert in_service(registry) == original
