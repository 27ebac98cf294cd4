"""examples/nlb-service: its templates and its script on MiniStack, with the shipped state machine. `make template` lints
the templates.

MiniStack's CloudFormation makes what the templates say, and docker is a stand-in that notes what it is
asked for. MiniStack's ECS has no task sets: so what CloudFormation has made there is made again in the
simulated AWS, and executions with the script's own input deploy it there.
"""

import dataclasses
import json
import pathlib
import re
import subprocess

import pytest
from samcli.yamlhelper import yaml_parse

import stack
from test_deployment import assert_deployed
from world import Service

EXAMPLE = stack.ROOT / "examples" / "nlb-service"
INFRASTRUCTURE = "nlb-service-infrastructure"
# Not the region's first two.
ZONES = [f"{stack.REGION}b", f"{stack.REGION}c"]
DOCKER = """#!/bin/sh
[ "$1" != login ] || cat > /dev/null
echo "$@" >> "$DOCKER_CALLS"
"""


@dataclasses.dataclass
class Script:
    """The deploy.sh of a folder, with the AWS CLI's calls led to MiniStack and a docker in `bin`."""

    folder: pathlib.Path
    endpoint: str
    bin: pathlib.Path

    def run(self, *arguments, **more):
        env = stack.environment(
            AWS_ENDPOINT_URL=self.endpoint, DOCKER_CALLS=str(self.bin / "calls"), POLL_SECONDS="0.2", **more
        )
        env["PATH"] = f"{self.bin}:{env['PATH']}"
        command = [str(self.folder / "deploy.sh"), *arguments]
        return subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)

    def docker_calls(self):
        """What docker was asked for since the last check."""
        calls = (self.bin / "calls").read_text().splitlines()
        (self.bin / "calls").unlink()
        return calls

    def client(self, service):
        return stack.client(service, self.endpoint)

    def outputs(self, name):
        [described] = self.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}


def script_of(folder, deployed, bin):
    docker = bin / "docker"
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    return Script(folder, deployed.ministack, bin)


@pytest.fixture(scope="module")
def script(deployed, tmp_path_factory):
    return script_of(EXAMPLE, deployed, tmp_path_factory.mktemp("bin"))


@pytest.fixture(scope="module")
def first(script):
    """The script's first run, from nothing. MiniStack has no task sets, so the deployment fails."""
    return script.run("1.0", ZONE_A=ZONES[0], ZONE_B=ZONES[1])


@pytest.fixture(scope="module")
def mirrored(script, first, world):
    """In the simulated AWS, what CloudFormation has made on MiniStack; and a map of its ARNs."""
    return mirror(script, world)


def test_the_script_gets_from_nothing_to_an_execution_and_tells_why_it_failed(script, first):
    assert first.returncode == 1
    assert first.stdout == ""
    assert "PreflightFailed" in first.stderr
    assert first.stderr.endswith("the deployment ended as FAILED\n")
    uri = script.outputs(INFRASTRUCTURE)["RepositoryUri"]
    assert script.docker_calls() == [
        "info",
        f"build --platform linux/amd64 --build-arg VERSION=1.0 --tag {uri}:1.0 {EXAMPLE / 'service'}",
        f"login --username AWS --password-stdin {uri.split('/')[0]}",
        f"push {uri}:1.0",
    ]


def test_the_stacks_are_as_a_first_deployment_wants_them(script, first):
    outputs = script.outputs(INFRASTRUCTURE)
    elb = script.client("elbv2")
    [balancer] = elb.describe_load_balancers(LoadBalancerArns=[outputs["LoadBalancerArn"]])["LoadBalancers"]
    assert balancer["Type"] == "network"
    assert balancer["DNSName"] == outputs["DnsName"]
    assert sorted(zone["SubnetId"] for zone in balancer["AvailabilityZones"]) == sorted(
        [outputs["SubnetA"], outputs["SubnetB"]]
    )
    [of_balancer] = balancer["SecurityGroups"]
    ec2 = script.client("ec2")
    subnets = ec2.describe_subnets(SubnetIds=[outputs["SubnetA"], outputs["SubnetB"]])["Subnets"]
    assert sorted(subnet["AvailabilityZone"] for subnet in subnets) == ZONES
    [of_tasks] = ec2.describe_security_groups(GroupIds=[outputs["TaskSecurityGroup"]])["SecurityGroups"]
    [let_in] = of_tasks["IpPermissions"]
    assert (let_in["FromPort"], let_in["ToPort"], let_in["IpRanges"]) == (8080, 8080, [])
    assert [pair["GroupId"] for pair in let_in["UserIdGroupPairs"]] == [of_balancer]

    listeners = elb.describe_listeners(LoadBalancerArn=outputs["LoadBalancerArn"])["Listeners"]
    forwards = {listener["Port"]: listener["DefaultActions"][0]["TargetGroupArn"] for listener in listeners}
    assert sorted(forwards) == [80, 8080]
    assert len(set(forwards.values())) == 2
    tagged = elb.describe_tags(ResourceArns=[*forwards.values(), *(one["ListenerArn"] for one in listeners)])
    by_hand = [tag for one in tagged["TagDescriptions"] for tag in one["Tags"] if not tag["Key"].startswith("aws:")]
    assert by_hand == []


def test_what_the_templates_describe_is_deployed_and_a_second_version_beside_it(
    script, first, mirrored, ministack, world
):
    arns, service = mirrored
    assert service.task_sets() == []
    [event] = printed_inputs(in_simulated_aws(first.stderr, arns))
    alternate = service.alternate()

    there = ministack.run(event)
    assert (there.status, there.error, there.cause) == ("SUCCEEDED", None, None)
    assert_deployed(service, "nlb-service:1", alternate)
    [task_set] = service.task_sets()
    network = task_set["networkConfiguration"]["awsvpcConfiguration"]
    assert network["assignPublicIp"] == "ENABLED"
    assert network["subnets"] == event["subnets"]

    named = of_bucket(script)
    assert {task["taskSet"] for task in named.values()} == {task_set["id"]}
    assert len(named) == 4 and not any("leave" in task for task in named.values())

    alternate = service.alternate()
    execution = ministack.start({**event, "taskDefinition": register(script, world, event["taskDefinition"])})
    back = ministack.ended(execution)
    assert (back.status, back.error, back.cause) == ("SUCCEEDED", None, None)
    assert_deployed(service, "nlb-service:2", alternate)
    # A task at a time.
    assert back.output["steps"] == 4
    # The four of the first version were asked to send their clients away, and no others.
    asked = {id: task["leave"] for id, task in of_bucket(script).items() if "leave" in task}
    assert asked == {id: {"id": execution, "seconds": 300} for id in named}
    assert len(of_bucket(script)) == 8


def test_a_task_reads_what_the_hook_writes_for_its_service(script, first):
    described = script.client("ecs").describe_task_definition(taskDefinition="nlb-service")
    [container] = described["taskDefinition"]["containerDefinitions"]
    [url] = [variable["value"] for variable in container["environment"] if variable["name"] == "TASKS_URL"]
    assert url == f"{script.outputs(INFRASTRUCTURE)['TasksUrl']}/nlb-service.json"


def test_the_script_ends_with_the_dns_name(script, first):
    done = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}
    # Instead of Ebbtide, which has nothing to deploy on here: a state machine that succeeds.
    succeeds = script.client("stepfunctions").create_state_machine(
        name="succeeds", definition=json.dumps(done), roleArn=f"arn:aws:iam::{stack.ACCOUNT}:role/none"
    )["stateMachineArn"]
    second = script.run("1.1", succeeds)
    assert second.returncode == 0, second.stderr
    outputs = script.outputs(INFRASTRUCTURE)
    assert second.stdout == f"{outputs['DnsName']}\n"
    assert f"push {outputs['RepositoryUri']}:1.1" in script.docker_calls()
    [before], [after] = printed_inputs(first.stderr), printed_inputs(second.stderr)
    assert after == {
        **before,
        "taskDefinition": f"arn:aws:ecs:{stack.REGION}:{stack.ACCOUNT}:task-definition/nlb-service:2",
    }
    # The original of this deployment runs it until it is drained.
    ecs = script.client("ecs")
    revisions = ecs.list_task_definitions(familyPrefix="nlb-service", status="ACTIVE")["taskDefinitionArns"]
    assert [arn.rsplit("/", 1)[1] for arn in revisions] == ["nlb-service:1", "nlb-service:2"]


def test_everything_is_taken_down(deployed, script, mirrored, world):
    _, service = mirrored
    # Where the task sets are.
    destroyed = script.run("--destroy", AWS_ENDPOINT_URL_ECS=deployed.aws)
    assert destroyed.returncode == 0, destroyed.stderr
    assert service.task_sets() == []
    assert world.ecs.list_task_definitions(familyPrefix="nlb-service", status="ACTIVE")["taskDefinitionArns"] == []
    there = script.client("cloudformation").describe_stacks()["Stacks"]
    assert [one["StackName"] for one in there if one["StackName"].startswith("nlb-service")] == []


def of_bucket(script):
    """What the hook's function has written for the tasks."""
    bucket = script.outputs(INFRASTRUCTURE)["TasksBucket"]
    written = script.client("s3").get_object(Bucket=bucket, Key="nlb-service.json")["Body"].read()
    return json.loads(written)["tasks"]


def printed_inputs(said):
    """The inputs that the script says it starts executions with."""
    return [json.loads(one) for one in re.findall(r"^\{$.*?^\}$", said, re.DOTALL | re.MULTILINE)]


def in_simulated_aws(text, arns):
    for there, here in arns.items():
        text = text.replace(there, here)
    return text


def mirror(script, world):
    """Makes in the simulated AWS what CloudFormation has made on MiniStack."""
    outputs = script.outputs(INFRASTRUCTURE)
    elb = script.client("elbv2")
    [balancer] = elb.describe_load_balancers(LoadBalancerArns=[outputs["LoadBalancerArn"]])["LoadBalancers"]
    arns = {}
    arns[balancer["LoadBalancerArn"]] = world.elb.create_load_balancer(
        Name=balancer["LoadBalancerName"],
        Type=balancer["Type"],
        Scheme=balancer["Scheme"],
        Subnets=[zone["SubnetId"] for zone in balancer["AvailabilityZones"]],
        SecurityGroups=balancer["SecurityGroups"],
    )["LoadBalancers"][0]["LoadBalancerArn"]
    kept = (
        *("Protocol", "Port", "TargetType", "Matcher", "HealthCheckProtocol", "HealthCheckPath", "HealthCheckPort"),
        *("HealthCheckIntervalSeconds", "HealthCheckTimeoutSeconds", "HealthyThresholdCount"),
        "UnhealthyThresholdCount",
    )
    listeners = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    for listener in listeners:
        [action] = listener["DefaultActions"]
        [group] = elb.describe_target_groups(TargetGroupArns=[action["TargetGroupArn"]])["TargetGroups"]
        made = world.elb.create_target_group(
            Name=group["TargetGroupName"], VpcId="vpc-0000000000000000a", **{key: group[key] for key in kept}
        )["TargetGroups"][0]["TargetGroupArn"]
        attributes = elb.describe_target_group_attributes(TargetGroupArn=group["TargetGroupArn"])["Attributes"]
        world.elb.modify_target_group_attributes(TargetGroupArn=made, Attributes=attributes)
        world.elb.create_listener(
            LoadBalancerArn=arns[balancer["LoadBalancerArn"]],
            Protocol=listener["Protocol"],
            Port=listener["Port"],
            DefaultActions=[{"Type": action["Type"], "TargetGroupArn": made}],
        )
    world.ecs.create_cluster(clusterName=outputs["Cluster"])
    name, task_definition = mirror_service(script, world, outputs["Cluster"], "nlb-service")
    arns |= task_definition
    return arns, Service(world, outputs["Cluster"], name, arns[balancer["LoadBalancerArn"]])


def mirror_service(script, world, cluster, name):
    """Makes what is in a stack of service.yaml: the service's name, and the task definition there and here."""
    # MiniStack makes an ordinary service of one that is EXTERNAL: this comes from the template itself.
    service = template("Service")
    outputs = script.outputs(name)
    world.ecs.create_service(
        cluster=cluster,
        serviceName=outputs["ServiceName"],
        desiredCount=service["DesiredCount"],
        schedulingStrategy=service["SchedulingStrategy"],
        deploymentController={"type": service["DeploymentController"]["Type"]},
    )
    there = outputs["TaskDefinition"]
    return outputs["ServiceName"], {there: register(script, world, there)}


def register(script, world, arn):
    """The next revision of a task definition in the simulated AWS, as it is on MiniStack."""
    described = script.client("ecs").describe_task_definition(taskDefinition=arn)["taskDefinition"]
    kept = ("family", "networkMode", "requiresCompatibilities", "cpu", "memory", "executionRoleArn")
    [container] = described["containerDefinitions"]
    # MiniStack loses the health check: this comes from the template itself.
    [health_check] = [one["HealthCheck"] for one in template("TaskDefinition")["ContainerDefinitions"]]
    container["healthCheck"] = {key[0].lower() + key[1:]: value for key, value in health_check.items()}
    registered = world.ecs.register_task_definition(
        containerDefinitions=[container], **{key: described[key] for key in kept}
    )
    return registered["taskDefinition"]["taskDefinitionArn"]


def template(logical_id):
    """A resource's properties in service.yaml."""
    return yaml_parse((EXAMPLE / "service.yaml").read_text())["Resources"][logical_id]["Properties"]
