"""examples/service-discovery: its templates, its script and its input on MiniStack.

The script, the service's template and what is said of the emulators in test_example.py are shared with
examples/nlb-service. MiniStack's CloudFormation has no VPC links: it gets the template without that one resource, and
the link is read in the template. Its ECS has no task sets and registers nothing in Cloud Map: so the registry and the
service are made again in the simulated AWS, and executions with the script's own input deploy it there.
"""

import collections
import json
import re
import shlex

import pytest
from samcli.yamlhelper import yaml_parse

import cloud_map
import stack
from test_example import in_simulated_aws, mirror_service, printed_inputs, register, script_of
from world import Service

EXAMPLE = stack.ROOT / "examples" / "service-discovery"
INFRASTRUCTURE = "service-discovery-infrastructure"
TEMPLATE = yaml_parse((EXAMPLE / "infrastructure.yaml").read_text())["Resources"]
SERVICE = yaml_parse((EXAMPLE.parent / "nlb-service" / "service.yaml").read_text())["Resources"]
LINK = "vpc-link"


def without_link(template):
    text, blocks = re.subn(r"^  VpcLink:\n(?:    .*\n)+", "", template, flags=re.MULTILINE)
    text, references = re.subn(r"!Ref VpcLink\b", LINK, text)
    assert (blocks, references) == (1, 1)
    return text


@pytest.fixture(scope="module")
def script(deployed, tmp_path_factory):
    examples = tmp_path_factory.mktemp("examples")
    (examples / "nlb-service").symlink_to(EXAMPLE.parent / "nlb-service")
    folder = examples / "service-discovery"
    folder.mkdir()
    for name in ("deploy.sh", "input.json"):
        (folder / name).symlink_to(EXAMPLE / name)
    (folder / "infrastructure.yaml").write_text(without_link((EXAMPLE / "infrastructure.yaml").read_text()))
    return script_of(folder, deployed, tmp_path_factory.mktemp("bin"))


@pytest.fixture(scope="module")
def first(script):
    """The script's first run, from nothing. MiniStack has no task sets, so the deployment fails."""
    return script.run("1.0")


@pytest.fixture(scope="module")
def outputs(script, first):
    return script.outputs(INFRASTRUCTURE)


def test_the_script_gets_from_nothing_to_an_execution(script, first, outputs):
    assert first.returncode == 1
    assert first.stdout == ""
    assert first.stderr.endswith("the deployment ended as FAILED\n")
    uri = outputs["RepositoryUri"]
    assert [call for call in script.docker_calls() if call.startswith("push")] == [f"push {uri}:1.0"]


def test_the_registry_has_what_api_gateway_and_a_drain_need(script, outputs):
    client = script.client("servicediscovery")
    registry = client.get_service(Id=outputs["RegistryId"])["Service"]
    assert registry["Arn"] == outputs["RegistryArn"]
    # With A records, ECS registers no port.
    assert registry["DnsConfig"]["DnsRecords"] == [{"Type": "SRV", "TTL": 10}]
    assert registry["DnsConfig"]["RoutingPolicy"] == "MULTIVALUE"
    assert registry["HealthCheckCustomConfig"] == {"FailureThreshold": 1}
    namespace = client.get_namespace(Id=registry["NamespaceId"])["Namespace"]
    assert (namespace["Type"], namespace["Name"]) == ("DNS_PRIVATE", f"{INFRASTRUCTURE}.internal")
    assert namespace["Properties"]["DnsProperties"]["SOA"] == {"TTL": 10}


def test_all_requests_of_the_api_go_through_the_link_to_the_registry(script, outputs):
    client = script.client("apigatewayv2")
    [api] = [one for one in client.get_apis()["Items"] if one["Name"] == INFRASTRUCTURE]
    assert (api["ProtocolType"], api["ApiEndpoint"]) == ("HTTP", outputs["Url"])
    [route] = client.get_routes(ApiId=api["ApiId"])["Items"]
    [integration] = client.get_integrations(ApiId=api["ApiId"])["Items"]
    assert (route["RouteKey"], route["Target"]) == ("$default", f"integrations/{integration['IntegrationId']}")
    assert (integration["IntegrationType"], integration["IntegrationMethod"]) == ("HTTP_PROXY", "ANY")
    assert (integration["ConnectionType"], integration["ConnectionId"]) == ("VPC_LINK", LINK)
    assert integration["IntegrationUri"] == outputs["RegistryArn"]
    # A stage of another name would be in the path of every request to a task.
    [stage] = client.get_stages(ApiId=api["ApiId"])["Items"]
    assert (stage["StageName"], stage["AutoDeploy"]) == ("$default", True)


def test_only_the_link_reaches_the_port_of_the_tasks(script, outputs):
    link = TEMPLATE["VpcLink"]["Properties"]
    assert link["SubnetIds"] == [{"Ref": "SubnetA"}, {"Ref": "SubnetB"}]
    assert link["SecurityGroupIds"] == [{"Ref": "LinkSecurityGroup"}]
    [of_tasks] = script.client("ec2").describe_security_groups(GroupIds=[outputs["TaskSecurityGroup"]])["SecurityGroups"]
    [let_in] = of_tasks["IpPermissions"]
    assert (let_in["FromPort"], let_in["ToPort"], let_in["IpRanges"]) == (8080, 8080, [])
    described = script.client("cloudformation").describe_stack_resource(
        StackName=INFRASTRUCTURE, LogicalResourceId="LinkSecurityGroup"
    )["StackResourceDetail"]
    assert [pair["GroupId"] for pair in let_in["UserIdGroupPairs"]] == [described["PhysicalResourceId"]]


def test_the_input_names_the_registry_and_a_port_of_the_task_definition(first, outputs):
    [event] = printed_inputs(first.stderr)
    assert event["registry"]["registryArn"] == outputs["RegistryArn"]
    assert not {"nlb", "targetGroups", "routes"} & set(event)
    [container] = SERVICE["TaskDefinition"]["Properties"]["ContainerDefinitions"]
    assert event["registry"]["containerName"] == container["Name"]
    assert event["registry"]["containerPort"] in [mapping["ContainerPort"] for mapping in container["PortMappings"]]
    # Its outcome is the health that Cloud Map has of a task.
    assert container["HealthCheck"]["Command"] == ["CMD", "nlb-service", "check"]


@pytest.fixture(scope="module")
def mirrored(deployed, script, outputs, world):
    """In the simulated AWS, the registry and the service that CloudFormation has made on MiniStack; and a map of their
    ARNs."""
    there = script.client("servicediscovery").get_service(Id=outputs["RegistryId"])["Service"]
    kept = {key: there[key] for key in ("DnsConfig", "HealthCheckCustomConfig")}
    registry = cloud_map.create(stack.client("servicediscovery", deployed.aws), there["Name"], **kept)
    world.ecs.create_cluster(clusterName=outputs["Cluster"])
    name, arns = mirror_service(script, world, outputs["Cluster"], "service-discovery")
    arns[there["Arn"]] = registry["Arn"]
    return arns, registry["Id"], Service(world, outputs["Cluster"], name, None)


def watched(deployed, registry):
    """What the commands of the README show: how many instances of each health, and of each task set."""
    commands = re.findall(r"^aws servicediscovery .*REGISTRY_ID.*$", (EXAMPLE / "README.md").read_text(), re.MULTILINE)
    health, listed = (
        deployed.command_line(*shlex.split(command.replace("REGISTRY_ID", registry))[1:]) for command in commands
    )
    return collections.Counter(health["Status"].values()), collections.Counter(label for _, label in listed)


def test_what_the_templates_describe_is_deployed_and_a_second_version_beside_it(
    deployed, script, first, mirrored, ministack, world
):
    arns, registry, service = mirrored
    assert service.task_sets() == []
    [event] = printed_inputs(in_simulated_aws(first.stderr, arns))

    there = ministack.run(event)
    assert (there.status, there.error, there.cause) == ("SUCCEEDED", None, None)
    [original] = service.task_sets()
    assert (original["status"], original["runningCount"]) == ("PRIMARY", 4)
    assert original["taskDefinition"].endswith("/service-discovery:1")
    assert original["serviceRegistries"] == [event["registry"]]
    assert watched(deployed, registry) == ({"HEALTHY": 4}, {original["externalId"]: 4})

    # The wait for clients' caches takes real seconds, by the functions' clock: 65 s and the record's 10 s are enough here.
    # The state machine counts its own, which pass faster.
    revision = register(script, world, event["taskDefinition"])
    second = {**event, "taskDefinition": revision, "registryCache": 0, "drainTimeout": 86_400}
    execution = ministack.start(second)
    taken_out = {"HEALTHY": 4, "UNHEALTHY": 4}
    service.wait_until(lambda: watched(deployed, registry)[0] == taken_out, "the first four are taken out")
    assert sorted(one["runningCount"] for one in service.task_sets()) == [4, 4]
    ended = ministack.ended(execution)
    assert ended.status == "SUCCEEDED", f"{ended.error}: {ended.cause}"
    [replacement] = service.task_sets()
    assert (replacement["status"], replacement["runningCount"]) == ("PRIMARY", 4)
    assert replacement["taskDefinition"].endswith("/service-discovery:2")
    assert watched(deployed, registry) == ({"HEALTHY": 4}, {replacement["externalId"]: 4})
    # Two tasks at a time.
    assert ended.output["steps"] == 2


def test_a_restriction_that_an_http_api_does_not_have_is_refused(script, first):
    refused = script.run("1.1", CLIENTS_CIDR="203.0.113.0/24")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "an HTTP API admits every address" in refused.stderr


def test_the_script_ends_with_the_url(script, first, outputs):
    done = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}
    # Instead of Ebbtide, which has nothing to deploy on here: a state machine that succeeds.
    succeeds = script.client("stepfunctions").create_state_machine(
        name="succeeds-for-discovery", definition=json.dumps(done), roleArn=f"arn:aws:iam::{stack.ACCOUNT}:role/none"
    )["stateMachineArn"]
    second = script.run("1.1", succeeds)
    assert second.returncode == 0, second.stderr
    assert second.stdout == f"{outputs['Url']}\n"
    assert f"curl {outputs['Url']}/\n" in second.stderr
    [before], [after] = printed_inputs(first.stderr), printed_inputs(second.stderr)
    assert after == {**before, "taskDefinition": f"{before['taskDefinition'].removesuffix(':1')}:2"}


def test_everything_is_taken_down(deployed, script, mirrored):
    _, _, service = mirrored
    # Where the task sets are.
    destroyed = script.run("--destroy", AWS_ENDPOINT_URL_ECS=deployed.aws)
    assert destroyed.returncode == 0, destroyed.stderr
    assert service.task_sets() == []
    there = script.client("cloudformation").describe_stacks()["Stacks"]
    assert [one["StackName"] for one in there if one["StackName"].startswith("service-discovery")] == []
    assert script.client("servicediscovery").list_services()["Services"] == []
