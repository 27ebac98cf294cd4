"""Registries of Cloud Map in programs that are not ours, with what ECS does there.

The simulated ECS takes registries of its own only. So each service has two: one there, which its task sets name, and
one in the other program, which the functions read and write. `Between` exchanges the ids of the two, and writes down
the calls.
"""

import contextlib
import dataclasses
import json
import threading
import time

import between
import stack
from world import CONTAINER, PORT, SECURITY_GROUPS, SUBNETS, Service

CLUSTER = "main"
TASKS = 4
# Seconds, of the registry's record.
TTL = 1
# The container's health check: ECS reports its outcome as the custom health.
CHECK = {"command": ["CMD-SHELL", "curl --fail http://localhost/ || exit 1"], "interval": 5}
LABEL = "ECS_TASK_SET_EXTERNAL_ID"
# Of ECS: which member names the task set.
WRITES = {
    "CreateTaskSet": "externalId",
    "UpdateServicePrimaryTaskSet": "primaryTaskSet",
    "UpdateTaskSet": "taskSet",
    "DeleteTaskSet": "taskSet",
}


@dataclasses.dataclass
class Call:
    """A write: an operation, or the custom health that it sets."""

    at: float
    by: str
    what: str
    # Of the task set: its externalId.
    label: str
    instance: str | None = None
    # Percent, before and after.
    scale: tuple | None = None
    # Instances of the task set that clients find before the call.
    found: frozenset = frozenset()

    @property
    def lowers(self):
        return self.scale is not None and self.scale[1] < self.scale[0]


def create(client, name, **more):
    """A registry in a private DNS namespace of its own."""
    client.create_private_dns_namespace(Name=f"{name}.internal", Vpc=f"vpc-of-{name}")
    namespaces = client.list_namespaces()["Namespaces"]
    [namespace] = [one["Id"] for one in namespaces if one["Name"] == f"{name}.internal"]
    request = {
        "Name": name,
        "NamespaceId": namespace,
        "DnsConfig": {"RoutingPolicy": "MULTIVALUE", "DnsRecords": [{"Type": "SRV", "TTL": TTL}]},
        "HealthCheckCustomConfig": {"FailureThreshold": 1},
    }
    request = {key: value for key, value in {**request, **more}.items() if value is not None}
    return client.create_service(**request)["Service"]


class Registry(Service):
    """A service of the simulated ECS, with its registry in another program."""

    def __init__(self, name, world, endpoint):
        super().__init__(world, CLUSTER, name, load_balancer=None)
        self.ecs = world.ecs
        self.endpoint = endpoint
        self.client = stack.client("servicediscovery", endpoint)
        self.theirs = create(self.client, name)["Id"]
        ours = create(stack.client("servicediscovery", world.ecs.meta.endpoint_url), name)
        self.ours = ours["Id"]
        self.ecs.create_service(
            cluster=CLUSTER, serviceName=name, desiredCount=TASKS, deploymentController={"type": "EXTERNAL"}
        )
        for _ in range(2):
            world.register(name, healthCheck=CHECK)
        self.event = {
            "cluster": CLUSTER,
            "serviceName": name,
            "taskDefinition": f"{name}:1",
            "registry": {"registryArn": ours["Arn"], "containerName": CONTAINER, "containerPort": PORT},
            "subnets": SUBNETS,
            "task_sg": SECURITY_GROUPS[0],
            "registryCache": 0,
            "waitForService": 15,
            "bakeTime": 10,
            "drain": {"tasks": 2, "every": 20},
            # The state machine waits faster than the functions' clock goes, and each wait counts in full.
            "drainTimeout": 86_400,
        }
        self.calls = []
        # Whether ECS sets custom health back that another has set: unproven.
        self.restores = False
        # Of every task that was an instance, the label of its set.
        self.labels = {}
        # The custom health that ECS has set last, of the tasks that are instances.
        self.reported = {}

    def note(self, by, what, label, **more):
        self.calls.append(Call(time.monotonic(), by, what, label, **more))

    def named(self, name):
        """The task set with an id, an ARN or a label."""
        names = ("id", "taskSetArn", "externalId")
        return next(one for one in self.task_sets() if name in [one[key] for key in names])

    def instances(self):
        """The health of each, with the label of its task set."""
        health = self.client.get_instances_health_status(ServiceId=self.theirs, MaxResults=100)["Status"]
        listed = self.client.list_instances(ServiceId=self.theirs, MaxResults=100)["Instances"]
        return {one["Id"]: (one["Attributes"][LABEL], health.get(one["Id"])) for one in listed}

    def found(self, label):
        return frozenset(id for id, of in self.instances().items() if of == (label, "HEALTHY"))

    def note_ecs(self, operation, request):
        label, scale = request[WRITES[operation]], None
        if operation != "CreateTaskSet":
            task_set = self.named(label)
            label = task_set["externalId"]
            after = {"UpdateTaskSet": request.get("scale"), "DeleteTaskSet": {"value": 0}}.get(operation)
            scale = after and (task_set["scale"]["value"], after["value"])
        self.note("Ebbtide", operation, label, scale=scale, found=self.found(label))

    def note_cloud_map(self, operation, request):
        what = request.get("Status", operation)
        instance = request["InstanceId"]
        self.note("Ebbtide", what, self.labels[instance], instance=instance)

    def mirror(self):
        """What ECS does in the registry since it was done last."""
        tasks = self.running()
        for id in self.reported.keys() - tasks.keys():
            self.note("ECS", "DeregisterInstance", self.labels[id], instance=id, found=self.found(self.labels[id]))
            # Ebbtide may have deregistered it.
            with contextlib.suppress(self.client.exceptions.InstanceNotFound):
                self.client.deregister_instance(ServiceId=self.theirs, InstanceId=id)
            del self.reported[id]
        restored = {id for id, of in self.instances().items() if of[1] == "UNHEALTHY"} if self.restores else set()
        for id, task in tasks.items():
            if id not in self.reported:
                self.register(id, task)
            health = "HEALTHY" if task["healthStatus"] == "HEALTHY" else "UNHEALTHY"
            # Only what is new: else it would undo what others set.
            if self.reported[id] != health or (id in restored and health == "HEALTHY"):
                self.set_health(id, health)

    def running(self):
        """Tasks from RUNNING to SIGTERM, by id."""
        # Those that are to stop are not among them.
        arns = self.ecs.list_tasks(cluster=CLUSTER, serviceName=self.name)["taskArns"]
        tasks = self.ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"] if arns else []
        return {task["taskArn"].split("/")[-1]: task for task in tasks if task["lastStatus"] == "RUNNING"}

    def register(self, id, task):
        label = self.labels[id] = self.named(task["startedBy"])["externalId"]
        details = {one["name"]: one["value"] for one in task["attachments"][0]["details"]}
        attributes = {
            "AWS_INSTANCE_IPV4": details["privateIPv4Address"],
            "AWS_INSTANCE_PORT": str(PORT),
            "AWS_INIT_HEALTH_STATUS": "UNHEALTHY",
            "AVAILABILITY_ZONE": task["availabilityZone"],
            "ECS_CLUSTER_NAME": CLUSTER,
            "ECS_SERVICE_NAME": self.name,
            "ECS_TASK_DEFINITION_FAMILY": self.name,
            LABEL: label,
        }
        self.client.register_instance(ServiceId=self.theirs, InstanceId=id, Attributes=attributes)
        self.note("ECS", "RegisterInstance", label, instance=id)
        # Neither program heeds AWS_INIT_HEALTH_STATUS.
        self.reported[id] = "HEALTHY"

    def set_health(self, id, health):
        with contextlib.suppress(self.client.exceptions.InstanceNotFound):
            self.client.update_instance_custom_health_status(ServiceId=self.theirs, InstanceId=id, Status=health)
        self.note("ECS", health, self.labels[id], instance=id)
        self.reported[id] = health


class Between:
    """What lies between the functions and AWS, for services that have a `Registry`."""

    def __init__(self):
        self.registries = []
        self.aws = None

    def ecs(self, request, body):
        operation = operation_of(request)
        if operation in WRITES:
            asked = json.loads(body)
            [registry] = [one for one in self.registries if asked["service"] == one.name]
            registry.note_ecs(operation, asked)
        return between.handed_on(request, body, self.aws)

    def cloud_map(self, request, body):
        asked = json.loads(body)
        id = asked.get("ServiceId") or asked["Id"]
        [registry] = [one for one in self.registries if id == one.ours]
        if "InstanceId" in asked:
            registry.note_cloud_map(operation_of(request), asked)
        body = body.replace(registry.ours.encode(), registry.theirs.encode())
        status, answer = between.handed_on(request, body, registry.endpoint)
        return status, answer.replace(registry.theirs.encode(), registry.ours.encode())


def operation_of(request):
    return request.headers["x-amz-target"].split(".")[-1]


@contextlib.contextmanager
def mirrored(registries):
    """Has ECS keep the registries, until the end."""
    ended = threading.Event()

    def mirror():
        while not ended.wait(0.1):
            for registry in registries:
                registry.mirror()

    thread = threading.Thread(target=mirror)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
