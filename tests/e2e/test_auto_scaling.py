"""What the functions rely on in Application Auto Scaling, asked of moto and of the simulated AWS. MiniStack has none."""

import contextlib
import itertools

import pytest
from botocore.exceptions import ClientError

import stack

NUMBERS = itertools.count(1)
ALL = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")


@pytest.fixture(scope="module")
def endpoints(tmp_path_factory):
    logs = tmp_path_factory.mktemp("auto-scaling")
    with contextlib.ExitStack() as end:
        aws = end.enter_context(stack.simulated_aws(logs / "serve.log", 20))
        yield {"moto": end.enter_context(stack.moto(logs, 20, functions=aws)), "ebbtide serve": aws}


class Target:
    """A service, to be scaled."""

    def __init__(self, endpoint):
        ecs, name = stack.client("ecs", endpoint), f"scaled-{next(NUMBERS)}"
        ecs.create_cluster(clusterName="main")
        ecs.create_service(cluster="main", serviceName=name, desiredCount=2, deploymentController={"type": "EXTERNAL"})
        self.client = stack.client("application-autoscaling", endpoint)
        self.key = {
            "ServiceNamespace": "ecs",
            "ResourceId": f"service/main/{name}",
            "ScalableDimension": "ecs:service:DesiredCount",
        }

    def register(self, **more):
        self.client.register_scalable_target(**self.key, **more)

    def suspend(self, *flags):
        """As the functions do: with every flag, and neither minimum nor maximum."""
        self.register(SuspendedState={flag: flag in flags for flag in ALL})

    def described(self):
        """As the functions ask for it."""
        key = {**self.key, "ResourceIds": [self.key["ResourceId"]]}
        del key["ResourceId"]
        return self.client.describe_scalable_targets(**key)["ScalableTargets"]


@pytest.fixture(params=["moto", "ebbtide serve"])
def target(request, endpoints):
    return Target(endpoints[request.param])


def test_what_is_no_target_is_not_described(target):
    assert target.described() == []


def test_scale_in_is_suspended_and_resumed_and_all_else_stays(target):
    target.register(MinCapacity=1, MaxCapacity=9, SuspendedState={"ScheduledScalingSuspended": True})
    [before] = target.described()
    for flags in [{"DynamicScalingInSuspended", "ScheduledScalingSuspended"}, {"ScheduledScalingSuspended"}]:
        target.suspend(*flags)
        [seen] = target.described()
        assert seen.pop("SuspendedState") == {flag: flag in flags for flag in ALL}
        assert seen == {name: value for name, value in before.items() if name != "SuspendedState"}


def test_a_service_that_does_not_exist_is_no_target(target):
    target.key["ResourceId"] = "service/main/none"
    with pytest.raises(ClientError) as refused:
        target.suspend("DynamicScalingInSuspended")
    assert refused.value.response["Error"]["Code"] == "ValidationException"
