"""What the functions rely on in Cloud Map, asked of the three programs that they are tested with.

Each question is answered as AWS's API model says. `OTHERWISE` lists where a program answers otherwise, with its answer;
another answer than that fails, and so does the right one.
"""

import contextlib
import itertools
import json
import subprocess
import time

import pytest
from botocore.exceptions import ClientError

import cloud_map
import stack
from cloud_map import LABEL

# Neither moto nor MiniStack has an operation that takes time, and neither reads how a registry checks health.
BOTH = {
    "an instance begins with AWS_INIT_HEALTH_STATUS": [{"a": "HEALTHY"}],
    "an instance is not deregistered while it is registered": None,
    "custom health needs HealthCheckCustomConfig": None,
}
OTHERWISE = {
    # Its instances are a list, to which each registration adds one.
    "moto": {**BOTH, "an instance that is registered again has the new attributes": [{"a": "first"}, {"a": "second"}]},
    "MiniStack": {
        **BOTH,
        # It does not read MaxResults.
        "ListInstances has attributes, in pages": [{"a": "of a", "b": "of b"}],
        # It accepts any id.
        "an instance that is not there cannot be deregistered": None,
    },
    "ebbtide serve": {},
}
SPEED = 200
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def endpoints(tmp_path_factory):
    logs = tmp_path_factory.mktemp("answers")
    with contextlib.ExitStack() as end:
        aws = end.enter_context(stack.simulated_aws(logs / "serve.log", SPEED))
        ministack = end.enter_context(stack.ministack(logs, SPEED, aws))
        moto = end.enter_context(stack.moto(logs, SPEED, functions=aws))
        yield {"moto": moto, "MiniStack": ministack, "ebbtide serve": aws}


class Registry:
    """A registry, to be asked."""

    def __init__(self, client, **more):
        self.client = client
        self.id = cloud_map.create(client, f"asked-{next(NUMBERS)}", **more)["Id"]

    def register(self, id, **attributes):
        address = {"AWS_INSTANCE_IPV4": "10.9.9.9", "AWS_INSTANCE_PORT": "80"}
        self.client.register_instance(ServiceId=self.id, InstanceId=id, Attributes={**address, **attributes})

    def deregister(self, id):
        self.client.deregister_instance(ServiceId=self.id, InstanceId=id)

    def service(self):
        return self.client.get_service(Id=self.id)["Service"]

    def labels(self):
        paginator = self.client.get_paginator("list_instances")
        pages = paginator.paginate(ServiceId=self.id, PaginationConfig={"PageSize": 1})
        return [{one["Id"]: one["Attributes"].get(LABEL) for one in page["Instances"]} for page in pages]

    def health(self):
        answer, pages = {"NextToken": None}, []
        while "NextToken" in answer:
            token = {"NextToken": answer["NextToken"]} if pages else {}
            answer = self.client.get_instances_health_status(ServiceId=self.id, MaxResults=1, **token)
            pages.append(answer["Status"])
        return pages

    def set_health(self, id, health):
        self.client.update_instance_custom_health_status(ServiceId=self.id, InstanceId=id, Status=health)


def refused(call, *arguments, **more):
    """The code with which a call is refused."""
    try:
        call(*arguments, **more)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


def once_allowed(call, *arguments, **more):
    """Calls until it succeeds: an operation on the same instance may last."""
    until = time.monotonic() + 30
    while refused(call, *arguments, **more):
        assert time.monotonic() < until
        time.sleep(0.1)


def two(registry):
    for id in "ab":
        registry.register(id, **{LABEL: f"of {id}"})


def changed(registry, *health):
    registry.register("a")
    for one in health:
        registry.set_health("a", one)
    return registry.health()


def twice(registry):
    registry.register("a", **{LABEL: "first"})
    once_allowed(registry.register, "a", **{LABEL: "second"})
    return registry.labels()


def gone(registry):
    registry.register("a")
    once_allowed(registry.deregister, "a")
    return registry.labels()


def in_a_hurry(registry):
    """Before the operation that registers it has ended."""
    registry.register("a")
    return refused(registry.deregister, "a")


def of_a_missing(registry):
    """The refusals of every call that the functions make, for a registry that does not exist."""
    registry.id = "srv-0000000000000000"
    reads = {refused(call) for call in (registry.service, registry.labels, registry.health)}
    return reads | {refused(registry.set_health, "a", "HEALTHY"), refused(registry.deregister, "a")}


def without_health(registry):
    registry = Registry(registry.client, HealthCheckCustomConfig=None)
    registry.register("a")
    return refused(registry.set_health, "a", "UNHEALTHY")


def configured(registry):
    service = registry.service()
    return service["DnsConfig"]["DnsRecords"], service["DnsConfig"]["RoutingPolicy"], service["HealthCheckCustomConfig"]


# What is asked, and what AWS answers.
QUESTIONS = {
    "GetService has records, routing policy and custom health": (
        configured,
        ([{"Type": "SRV", "TTL": cloud_map.TTL}], "MULTIVALUE", {"FailureThreshold": 1}),
    ),
    "ListInstances has attributes, in pages": (lambda r: two(r) or r.labels(), [{"a": "of a"}, {"b": "of b"}]),
    "GetInstancesHealthStatus has pages": (lambda r: two(r) or r.health(), [{"a": "HEALTHY"}, {"b": "HEALTHY"}]),
    "custom health is what was set": (lambda r: changed(r, "UNHEALTHY"), [{"a": "UNHEALTHY"}]),
    "custom health can be set back": (lambda r: changed(r, "UNHEALTHY", "HEALTHY"), [{"a": "HEALTHY"}]),
    "an instance begins with AWS_INIT_HEALTH_STATUS": (
        lambda r: r.register("a", AWS_INIT_HEALTH_STATUS="UNHEALTHY") or r.health(),
        [{"a": "UNHEALTHY"}],
    ),
    "an instance that is registered again has the new attributes": (twice, [{"a": "second"}]),
    "an instance is not deregistered while it is registered": (in_a_hurry, "DuplicateRequest"),
    "a deregistered instance is gone": (gone, [{}]),
    "the health of an instance that is not there cannot be set": (
        lambda r: refused(r.set_health, "a", "UNHEALTHY"),
        "InstanceNotFound",
    ),
    "an instance that is not there cannot be deregistered": (lambda r: refused(r.deregister, "a"), "InstanceNotFound"),
    "no call is answered for a registry that is not there": (of_a_missing, {"ServiceNotFound"}),
    "custom health needs HealthCheckCustomConfig": (without_health, "CustomHealthNotFound"),
}


@pytest.mark.parametrize("program", OTHERWISE)
def test_programs_answer_as_the_model_says_but_for_what_is_listed(endpoints, program):
    client = stack.client("servicediscovery", endpoints[program])
    answers = {what: (ask(Registry(client)), right) for what, (ask, right) in QUESTIONS.items()}
    otherwise = {what: answer for what, (answer, right) in answers.items() if answer != right}
    assert otherwise == OTHERWISE[program]


def test_the_aws_cli_takes_an_instance_out_of_the_simulated_registry(endpoints):
    endpoint = endpoints["ebbtide serve"]
    registry = Registry(stack.client("servicediscovery", endpoint))
    registry.register("a", **{LABEL: "of a"})

    def aws(command, *arguments):
        done = subprocess.run(
            ["aws", "--output", "json", "servicediscovery", command, "--service-id", registry.id, *arguments],
            env=stack.environment(AWS_ENDPOINT_URL=endpoint),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout or "null")

    assert aws("list-instances", "--query", f"Instances[].[Id, Attributes.{LABEL}]") == [["a", "of a"]]
    assert aws("update-instance-custom-health-status", "--instance-id", "a", "--status", "UNHEALTHY") is None
    assert aws("get-instances-health-status") == {"Status": {"a": "UNHEALTHY"}}
