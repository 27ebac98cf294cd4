"""examples/four-services: its templates, its script and its input on MiniStack, and the four services deployed in the
simulated AWS by the shipped state machines.

MiniStack's ECS has no task sets, and its CloudFormation loses volumes, secrets and health checks of task definitions:
so load balancers, services and task definitions are made again in the simulated AWS, as the templates have them.
"""

import json
import os
import signal
import subprocess
import time

import pytest
from samcli.yamlhelper import yaml_parse

import stack
from test_example import in_simulated_aws, printed_inputs, script_of
from test_services import of, started_by
from world import Service

EXAMPLE = stack.ROOT / "examples" / "four-services"
INFRASTRUCTURE = yaml_parse((EXAMPLE / "infrastructure.yaml").read_text())["Resources"]
SERVICES = yaml_parse((EXAMPLE / "services.yaml").read_text())["Resources"]
# With the ports of its listeners, production and test.
PORTS = {"Ui": (80, 8080), "App": (8055, 18055), "Cache": (6379, 16379), "Db": (5432, 15432)}


def properties(resources, kind):
    return {name: one["Properties"] for name, one in resources.items() if one["Type"] == f"AWS::{kind}"}


@pytest.fixture(scope="module")
def script(deployed, tmp_path_factory):
    return script_of(EXAMPLE, deployed, tmp_path_factory.mktemp("bin"))


@pytest.fixture(scope="module")
def first(script):
    """The script's first run, from nothing. MiniStack has no task sets, so the deployment fails."""
    return script.run("1.0")


@pytest.fixture(scope="module")
def outputs(script, first):
    return script.outputs("shop-infrastructure") | script.outputs("shop")


@pytest.fixture(scope="module")
def event(first):
    [event] = printed_inputs(first.stdout)
    return event


def test_the_script_gets_from_nothing_to_one_execution(script, first):
    assert first.returncode == 1
    assert "PreflightFailed" in first.stderr
    assert first.stderr.endswith("the deployment ended as FAILED\n")
    machine = script.outputs(stack.STACK)["ServicesStateMachineLiveArn"].rsplit(":", 1)[0]
    listed = script.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"]
    [_] = [one for one in listed if one["name"].startswith("shop-1-0-")]


def test_the_order_is_cache_and_database_then_application_server_then_ui(event):
    assert event["onFailure"] == "undoEarlier"
    after = {one["serviceName"]: one.get("dependsOn", []) for one in event["services"]}
    assert after == {
        "shop-ui": ["shop-app"],
        "shop-app": ["shop-cache", "shop-db"],
        "shop-cache": [],
        "shop-db": [],
    }


def test_each_service_has_two_listeners_on_its_two_target_groups(script, outputs):
    elb = script.client("elbv2")
    for name, ports in PORTS.items():
        balancer = outputs[f"{'Public' if name == 'Ui' else 'Internal'}LoadBalancerArn"]
        listeners = elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"]
        forwards = {one["Port"]: one["DefaultActions"][0]["TargetGroupArn"] for one in listeners}
        assert [forwards[port] for port in ports] == [outputs[f"{name}TargetGroup{number}"] for number in (1, 2)]
    balancers = elb.describe_load_balancers()["LoadBalancers"]
    schemes = {one["LoadBalancerArn"]: (one["Type"], one["Scheme"]) for one in balancers}
    assert schemes[outputs["PublicLoadBalancerArn"]] == ("network", "internet-facing")
    assert schemes[outputs["InternalLoadBalancerArn"]] == ("network", "internal")


def test_only_tasks_of_the_database_reach_its_files(script, outputs):
    [group] = INFRASTRUCTURE["FileSystemSecurityGroup"]["Properties"]["SecurityGroupIngress"]
    assert (group["FromPort"], group["SourceSecurityGroupId"]) == (2049, {"Ref": "DbSecurityGroup"})
    efs = script.client("efs")
    mounted = efs.describe_mount_targets(FileSystemId=outputs["FileSystem"])["MountTargets"]
    assert {one["SubnetId"] for one in mounted} == {outputs["SubnetA"], outputs["SubnetB"]}
    [point] = efs.describe_access_points(AccessPointId=outputs["AccessPoint"])["AccessPoints"]
    assert (point["PosixUser"]["Uid"], point["RootDirectory"]["Path"]) == (999, "/postgres")
    database, _ = SERVICES["DbTaskDefinition"]["Properties"]["ContainerDefinitions"]
    assert database["User"] == "999:999"
    assert database["MountPoints"] == [{"SourceVolume": "data", "ContainerPath": "/data"}]


def test_the_templates_leave_to_deployments_what_they_write(event):
    services = properties(SERVICES, "ECS::Service")
    assert sorted(services) == sorted(f"{name}Service" for name in PORTS)
    for one in services.values():
        assert one["DeploymentController"] == {"Type": "EXTERNAL"}
        assert not {"TaskDefinition", "NetworkConfiguration", "LoadBalancers", "LaunchType"} & set(one)
    assert not [one for one in SERVICES.values() if "TaskSet" in one["Type"]]


def test_the_stack_policy_denies_updates_of_what_a_deployment_writes():
    allow, deny = json.loads((EXAMPLE / "stack-policy.json").read_text())["Statement"]
    assert (allow["Effect"], allow["Resource"]) == ("Allow", "*")
    assert (deny["Effect"], deny["Action"]) == ("Deny", "Update:*")
    of_deployments = [
        *properties(INFRASTRUCTURE, "ElasticLoadBalancingV2::Listener"),
        *properties(INFRASTRUCTURE, "ElasticLoadBalancingV2::TargetGroup"),
    ]
    assert sorted(deny["Resource"]) == sorted(f"LogicalResourceId/{name}" for name in of_deployments)


def test_every_task_has_a_health_check_and_the_input_fits_its_ports(event):
    for service in event["services"]:
        name = service["serviceName"].removeprefix("shop-").capitalize()
        container, *_ = SERVICES[f"{name}TaskDefinition"]["Properties"]["ContainerDefinitions"]
        assert container["HealthCheck"]["Command"][0] == "CMD-SHELL"
        [mapping] = container["PortMappings"]
        for number in (1, 2):
            group = INFRASTRUCTURE[f"{name}TargetGroup{number}"]["Properties"]
            assert group["Port"] == mapping["ContainerPort"]


class Database:
    """A container of the database: the command of its task definition over a folder, with a stand-in for PostgreSQL."""

    def __init__(self, data, own):
        database, _ = SERVICES["DbTaskDefinition"]["Properties"]["ContainerDefinitions"]
        own.mkdir()
        (own / "docker-entrypoint.sh").write_text('#!/bin/sh\necho "$@" > "$SERVES.new"\nmv "$SERVES.new" "$SERVES"\nexec sleep 600\n')
        (own / "docker-entrypoint.sh").chmod(0o755)
        self.waits, self.serves = own / "waiting", own / "serves"
        env = {
            **stack.environment(SERVES=str(self.serves), LOCK=str(data / "writer.lock"), WAITING=str(self.waits)),
            "PATH": f"{own}:{os.environ['PATH']}",
        }
        command = [*database["EntryPoint"], *database["Command"]]
        self.process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL)

    def becomes(self, serving):
        deadline = time.monotonic() + 20
        while (self.waits.exists(), self.serves.exists()) != (not serving, serving):
            assert time.monotonic() < deadline and self.process.poll() is None
            time.sleep(0.02)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)


def test_a_second_database_on_the_same_files_waits_until_the_first_one_has_ended(tmp_path):
    original = Database(tmp_path, tmp_path / "original")
    original.becomes(serving=True)
    replacement = Database(tmp_path, tmp_path / "replacement")
    replacement.becomes(serving=False)
    time.sleep(2)
    replacement.becomes(serving=False)
    original.stop()
    replacement.becomes(serving=True)
    assert replacement.serves.read_text() == "postgres\n"
    # One that waits ends at once, as in a rollback before the swap.
    third = Database(tmp_path, tmp_path / "third")
    third.becomes(serving=False)
    assert third.stop() == 0
    replacement.stop()


@pytest.fixture(scope="module")
def mirrored(script, world, outputs):
    """In the simulated AWS, what the templates describe: a map of ARNs, and the services."""
    arns, services = {}, {}
    for name in ("Public", "Internal"):
        there = outputs[f"{name}LoadBalancerArn"]
        of_template = INFRASTRUCTURE[f"{name}LoadBalancer"]["Properties"]
        made = world.elb.create_load_balancer(
            Name=f"shop-{name}",
            Type=of_template["Type"],
            Scheme=of_template["Scheme"],
            Subnets=[outputs["SubnetA"], outputs["SubnetB"]],
        )
        arns[there] = made["LoadBalancers"][0]["LoadBalancerArn"]
    for name, made in properties(INFRASTRUCTURE, "ElasticLoadBalancingV2::TargetGroup").items():
        asked = {**made, "VpcId": "vpc-0000000000000000a"}
        attributes = asked.pop("TargetGroupAttributes")
        here = world.elb.create_target_group(Name=f"shop-{name}", **asked)["TargetGroups"][0]["TargetGroupArn"]
        world.elb.modify_target_group_attributes(TargetGroupArn=here, Attributes=attributes)
        arns[outputs[name]] = here
    for name, made in properties(INFRASTRUCTURE, "ElasticLoadBalancingV2::Listener").items():
        [action] = made["DefaultActions"]
        group = arns[outputs[action["TargetGroupArn"]["Ref"]]]
        here = world.elb.create_listener(
            LoadBalancerArn=arns[outputs[f"{made['LoadBalancerArn']['Ref']}Arn"]],
            Protocol=made["Protocol"],
            Port=made["Port"],
            DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
        )["Listeners"][0]["ListenerArn"]
        arns[outputs[name]] = here
    world.ecs.create_cluster(clusterName=outputs["Cluster"])
    for name in PORTS:
        made = SERVICES[f"{name}Service"]["Properties"]
        world.ecs.create_service(
            cluster=outputs["Cluster"],
            serviceName=outputs[f"{name}Service"],
            desiredCount=made["DesiredCount"],
            schedulingStrategy=made["SchedulingStrategy"],
            deploymentController={"type": made["DeploymentController"]["Type"]},
        )
        arns[outputs[f"{name}TaskDefinition"]] = register(world, name)
        balancer = arns[outputs[f"{'Public' if name == 'Ui' else 'Internal'}LoadBalancerArn"]]
        services[name] = Service(world, outputs["Cluster"], outputs[f"{name}Service"], balancer)
    return arns, services


def register(world, name):
    """The next revision of a service in the simulated AWS, with the template's containers, ports and health checks."""
    template = SERVICES[f"{name}TaskDefinition"]["Properties"]
    containers = [
        {
            "name": one["Name"],
            "image": json.dumps(one["Image"]),
            "portMappings": [{"containerPort": port["ContainerPort"]} for port in one["PortMappings"]],
            **({"healthCheck": lower(one["HealthCheck"])} if "HealthCheck" in one else {}),
        }
        for one in template["ContainerDefinitions"]
    ]
    registered = world.ecs.register_task_definition(
        family=f"shop-{name.lower()}",
        containerDefinitions=containers,
        networkMode=template["NetworkMode"],
        requiresCompatibilities=template["RequiresCompatibilities"],
        cpu=template["Cpu"],
        memory=template["Memory"],
    )
    return registered["taskDefinition"]["taskDefinitionArn"]


def lower(fields):
    return {key[0].lower() + key[1:]: value for key, value in fields.items()}


def test_the_four_services_are_deployed_in_order_and_a_second_version_after_them(
    script, first, mirrored, services, ministack, world
):
    arns, made = mirrored
    [event] = printed_inputs(in_simulated_aws(first.stdout, arns))
    for revision in (1, 2):
        if revision == 2:
            for service in event["services"]:
                name = service["serviceName"].removeprefix("shop-").capitalize()
                service["taskDefinition"] = register(world, name)
        execution = services.start(event)
        ended = services.ended(execution)
        assert (ended.status, ended.error, ended.cause) == ("SUCCEEDED", None, None)
        started = {name: of(started_by(ministack, execution), f"shop-{name.lower()}") for name in PORTS}
        assert started["App"].started >= max(started["Cache"].ended, started["Db"].ended)
        assert started["Ui"].started >= started["App"].ended
        # Side by side.
        assert started["Cache"].started < started["Db"].ended and started["Db"].started < started["Cache"].ended
        for name, service in made.items():
            [task_set] = service.task_sets()
            assert (task_set["status"], task_set["taskDefinition"].rsplit(":", 1)[1]) == ("PRIMARY", str(revision))
            assert task_set["runningCount"] == SERVICES[f"{name}Service"]["Properties"]["DesiredCount"]


def test_everything_is_taken_down(deployed, script, first, mirrored):
    _, made = mirrored
    # Where the task sets are.
    destroyed = script.run("--destroy", AWS_ENDPOINT_URL_ECS=deployed.aws)
    assert destroyed.returncode == 0, destroyed.stderr
    assert [service.task_sets() for service in made.values()] == [[]] * 4
    there = script.client("cloudformation").describe_stacks()["Stacks"]
    assert [one["StackName"] for one in there if one["StackName"].startswith("shop")] == []
