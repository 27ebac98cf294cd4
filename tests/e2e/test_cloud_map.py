"""The shipped stack deploys services whose registries are moto's and MiniStack's: Cloud Map as other programs wrote it.

The tasks are the simulated ECS's, and `cloud_map.Registry` does in the registries what ECS documents. The waits for
clients' caches take real seconds, by the functions' clock: so all services are deployed at the same time.
"""

import contextlib
import itertools

import pytest

import between
import cloud_map
import stack
from cloud_map import CLUSTER, TASKS, TTL
from command_line import CommandLine
from interpreter import Interpreter
from world import World

SPEED = 20
# Of the state machine's waits: at a higher speed, it checks more often what takes real seconds.
WAITS = 8
# Seconds, at least, from the last instance that is taken out to the first task that stops: Ebbtide's 45 and the record's
# TTL. The functions count whole seconds, from before the first write.
FORGETTING = 45 + TTL - 5
PROGRAMS = ("moto", "MiniStack")
# What is deployed after the first version, each as a service of its own.
DEPLOYMENTS = {
    "plain": {},
    "shift": {"shift": {"percent": 50, "for": 60}},
    # ECS undoes what Ebbtide sets.
    "undone": {},
    "rollback": {},
}
REPLACED = [
    ("CreateTaskSet", "replacement"),
    ("UpdateServicePrimaryTaskSet", "replacement"),
    ("UNHEALTHY", "original"),
    ("UpdateTaskSet", "original"),
    ("DeleteTaskSet", "original"),
]


class Run:
    """A service with its registry, and its second deployment."""

    def __init__(self, registry, machine, more):
        self.registry = registry
        self.machine = machine
        self.event = {**registry.event, **more}
        # The label of what is in service before.
        self.original = None

    def start(self):
        self.registry.calls.clear()
        self.execution = self.machine.start(self.event)

    def succeeds(self):
        ended = self.machine.ended(self.execution)
        assert (ended.status, ended.error, ended.cause) == ("SUCCEEDED", None, None)

    def order(self):
        """The functions' writes and what they are for; those in a row once."""
        mine = [one for one in self.registry.calls if one.by == "Ebbtide"]
        named = [(one.what, "original" if one.label == self.original else "replacement") for one in mine]
        return [one for one, _ in itertools.groupby(named)]

    def in_service(self, revision):
        """The label of the only task set: PRIMARY, and alone in the registry with as many tasks as are desired."""
        [task_set] = self.registry.task_sets()
        assert task_set["taskDefinition"].endswith(f"/{self.registry.name}:{revision}")
        assert (task_set["status"], task_set["scale"]["value"], task_set["runningCount"]) == ("PRIMARY", 100.0, TASKS)
        its = [(task_set["externalId"], "HEALTHY")] * TASKS
        self.registry.wait_until(lambda: list(self.registry.instances().values()) == its, "its tasks are there alone")
        return task_set["externalId"]

    def until_the_original_is_taken_out(self):
        self.registry.wait_until(lambda: not self.registry.found(self.original), "the original is taken out")

    def assert_forgotten_before_tasks_stop(self, label):
        """When the first task of a set stopped, clients had found none of them for long enough."""
        calls = [one for one in self.registry.calls if one.label == label]
        taken_out = [one for one in calls if one.by == "Ebbtide" and one.what in ("UNHEALTHY", "DeregisterInstance")]
        stopped = [one for one in calls if one.by == "ECS" and one.what == "DeregisterInstance"]
        lowered = [one for one in calls if one.lowers]
        assert len({one.instance for one in taken_out} & {one.instance for one in stopped}) == TASKS
        assert {one.found for one in lowered + stopped} == {frozenset()}
        assert not [one for one in self.registry.calls if one.lowers and one.found]
        assert lowered[0].at - taken_out[-1].at >= FORGETTING


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """The stack, and the services, which have no task sets."""
    logs = tmp_path_factory.mktemp("cloud-map")
    journal = cloud_map.Between()
    with contextlib.ExitStack() as end:
        aws = journal.aws = end.enter_context(stack.simulated_aws(logs / "serve.log", SPEED))
        ecs, registries = (end.enter_context(between.address(answer)) for answer in (journal.ecs, journal.cloud_map))
        ministack = end.enter_context(stack.ministack(logs, WAITS, aws, ecs=ecs, cloud_map=registries))
        moto = end.enter_context(stack.moto(logs, SPEED, functions=aws))
        stack.deploy(ministack, logs / "deploy.log")
        deployed = stack.deployed(ministack, aws, [ministack], logs, SPEED)
        machine = Interpreter("MiniStack", ministack, deployed.state_machine, deployed, deployed.live)
        world = World(aws)
        world.ecs.create_cluster(clusterName=CLUSTER)
        runs = {}
        for deployment, more in DEPLOYMENTS.items():
            for program, endpoint in zip(PROGRAMS, (moto, ministack), strict=True):
                registry = cloud_map.Registry(f"{deployment}-{program}", world, endpoint)
                registry.restores = deployment == "undone"
                journal.registries.append(registry)
                runs[deployment, program] = Run(registry, machine, more)
        end.enter_context(cloud_map.mirrored(journal.registries))
        yield CommandLine(deployed), runs


@pytest.fixture(scope="module")
def first(running):
    """What the first deployments wrote. Then, the second ones run."""
    ebbtide, runs = running
    for run in runs.values():
        run.start()
    orders = {}
    for name, run in runs.items():
        run.succeeds()
        run.original, orders[name] = run.in_service(1), run.order()
    for run in runs.values():
        run.event["taskDefinition"] = f"{run.registry.name}:2"
        run.start()
    for program in PROGRAMS:
        run = runs["rollback", program]
        run.until_the_original_is_taken_out()
        ebbtide.run("rollback", f"{CLUSTER}/{run.registry.name}", "--by", "alice")
    return orders


@pytest.fixture(params=PROGRAMS)
def second(request, running, first):
    """The second deployment of a name."""
    _, runs = running
    return lambda deployment: runs[deployment, request.param]


def test_a_first_deployment_takes_nothing_out(first):
    assert list(first.values()) == [REPLACED[:2]] * len(first)


def test_a_task_set_is_taken_out_before_its_tasks_stop(second):
    run = second("plain")
    run.succeeds()
    assert run.order() == REPLACED
    run.assert_forgotten_before_tasks_stop(run.original)
    assert run.in_service(2) != run.original


def test_a_shift_adds_tasks_before_it_takes_any_out(second):
    run = second("shift")
    run.succeeds()
    assert run.order() == [REPLACED[0], ("UpdateTaskSet", "replacement"), *REPLACED[1:]]
    run.assert_forgotten_before_tasks_stop(run.original)
    assert run.in_service(2) != run.original


def test_instances_that_ecs_sets_back_are_deregistered(second):
    run = second("undone")
    run.succeeds()
    assert run.order() == [*REPLACED[:3], ("DeregisterInstance", "original"), *REPLACED[3:]]
    taken_out = [one.what for one in run.registry.calls if one.by == "Ebbtide" and one.instance]
    assert taken_out == ["UNHEALTHY"] * 3 * TASKS + ["DeregisterInstance"] * TASKS
    run.assert_forgotten_before_tasks_stop(run.original)
    assert run.in_service(2) != run.original


def test_a_rollback_puts_the_original_back_before_it_takes_the_replacement_out(second):
    run = second("rollback")
    assert run.machine.ended(run.execution).error == "OperatorRollback"
    back = [("HEALTHY", "original"), ("UpdateServicePrimaryTaskSet", "original"), ("UNHEALTHY", "replacement")]
    assert run.order() == [*REPLACED[:3], *back, ("UpdateTaskSet", "replacement"), ("DeleteTaskSet", "replacement")]
    [replacement] = {one.label for one in run.registry.calls if one.what == "CreateTaskSet"}
    run.assert_forgotten_before_tasks_stop(replacement)
    assert run.in_service(1) == run.original
