"""The simulated AWS understands AWS's own examples of the operations that it simulates, as botocore has them.

They name resources that are not there, so most are refused for that, and for nothing else.
"""

import botocore.exceptions
from botocore import xform_name
from botocore.loaders import Loader

import stack
from test_simulated_aws import OPERATIONS, World

# What a part of an example is for, and is not simulated: its operation, and the words of the refusal.
NOT_SIMULATED = {
    ("ecs", "CreateService", "unknown field `loadBalancerName`"): "a Classic Load Balancer",
    ("ecs", "ListTasks", "unknown field `containerInstance`"): "container instances",
    ("dynamodb", "CreateTable", "unknown field `ProvisionedThroughput`"): "provisioned capacity",
}
ABSENT = ("NotFound", "NotFoundException")


def examples():
    loader = Loader()
    for service, operations in OPERATIONS.items():
        name = {"elb": "elbv2"}.get(service, service)
        if name in loader.list_available_services("examples-1"):
            for operation, of in loader.load_service_model(name, "examples-1")["examples"].items():
                if operation in operations:
                    yield from ((service, operation, example.get("input", {})) for example in of)


def refusal(world, service, operation, request):
    """The code and the message with which it is refused, if it is."""
    try:
        getattr(getattr(world, service), xform_name(operation))(**request)
    except botocore.exceptions.ClientError as refused:
        return refused.response["Error"]["Code"], refused.response["Error"]["Message"]
    return None


def is_understood(refused):
    return refused is None or refused[0].endswith(ABSENT) or refused[1] == "Unable to describe task definition."


def test_the_examples_of_simulated_operations_are_understood(tmp_path):
    with stack.simulated_aws(tmp_path / "log", speed=1) as endpoint:
        world = World(endpoint, unfit := [])
        asked = [(*of, refusal(world, *of)) for of in examples()]
    assert unfit == []
    assert len(asked) > 40
    others = [(service, operation, refused[1]) for service, operation, _, refused in asked if not is_understood(refused)]
    assert len(others) == len(NOT_SIMULATED), others
    for service, operation, words in NOT_SIMULATED:
        assert any((service, operation) == other[:2] and words in other[2] for other in others), operation
