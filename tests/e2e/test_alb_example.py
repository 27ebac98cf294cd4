"""examples/alb-service: its template and its script on MiniStack, and both services deployed in the simulated AWS.

The script, the service's template and what is said of the emulators in test_example.py are shared with
examples/nlb-service. MiniStack's CloudFormation keeps the first target group of a rule and no weights, and does not
evaluate rules: the simulated AWS gets the load balancer's resources as the template has them.
"""

import json
import time

import pytest
from samcli.yamlhelper import yaml_parse

import stack
from test_example import in_simulated_aws, mirror_service, printed_inputs, register, script_of
from world import Service

EXAMPLE = stack.ROOT / "examples" / "alb-service"
INFRASTRUCTURE = "alb-service-infrastructure"
TEMPLATE = yaml_parse((EXAMPLE / "infrastructure.yaml").read_text())
ELB = "AWS::ElasticLoadBalancingV2::"
SERVICES = ["chat", "users"]


@pytest.fixture(scope="module")
def script(deployed, tmp_path_factory):
    return script_of(EXAMPLE, deployed, tmp_path_factory.mktemp("bin"))


@pytest.fixture(scope="module")
def first(script):
    """The script's first run, from nothing. MiniStack has no task sets, so the deployments fail."""
    return script.run("1.0", CHAT_HOST="chat.example.org")


@pytest.fixture(scope="module")
def inputs(first):
    """The inputs that the first run starts executions with, by service."""
    return dict(zip(SERVICES, printed_inputs(first.stderr), strict=True))


def test_one_run_pushes_one_image_and_starts_an_execution_for_each_service(script, first, inputs):
    assert first.returncode == 1
    assert first.stdout == ""
    assert first.stderr.endswith("the deployment ended as FAILED\n")
    uri = script.outputs(INFRASTRUCTURE)["RepositoryUri"]
    assert [call for call in script.docker_calls() if call.startswith("push")] == [f"push {uri}:1.0"]
    machine = script.outputs(stack.STACK)["DeploymentStateMachineArn"]
    listed = script.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"]
    for name in SERVICES:
        [_] = [one for one in listed if one["name"].startswith(f"alb-service-{name}-1-0-")]


def test_the_rules_are_on_a_listener_that_answers_404_itself(script, first):
    outputs = script.outputs(INFRASTRUCTURE)
    elb = script.client("elbv2")
    [balancer] = elb.describe_load_balancers(LoadBalancerArns=[outputs["LoadBalancerArn"]])["LoadBalancers"]
    assert balancer["Type"] == "application"
    [listener] = elb.describe_listeners(LoadBalancerArn=outputs["LoadBalancerArn"])["Listeners"]
    assert (listener["Port"], listener["Protocol"]) == (80, "HTTP")
    [default] = listener["DefaultActions"]
    assert (default["Type"], default["FixedResponseConfig"]["StatusCode"]) == ("fixed-response", "404")

    rules = elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
    found = {
        rule["Priority"]: (condition["Values"], action["TargetGroupArn"])
        for rule in rules
        if not rule["IsDefault"]
        for condition in rule["Conditions"]
        for action in rule["Actions"]
    }
    assert found == {
        "100": (["chat.example.org"], outputs["ChatTargetGroup1"]),
        "200": (["/chat/*"], outputs["ChatTargetGroup1"]),
        "300": (["/users/*"], outputs["UsersTargetGroup1"]),
    }
    groups = {outputs[f"{name}TargetGroup{number}"] for name in ("Chat", "Users") for number in (1, 2)}
    assert len(groups) == 4
    for group in groups:
        kept = elb.describe_target_group_attributes(TargetGroupArn=group)["Attributes"]
        attributes = {one["Key"]: one["Value"] for one in kept}
        assert attributes["stickiness.enabled"] == "false"
        assert attributes["deregistration_delay.timeout_seconds"] == "60"


def test_a_service_knows_its_path_and_has_logs_and_target_groups_of_its_own(script, inputs):
    outputs = script.outputs(INFRASTRUCTURE)
    for name, event in inputs.items():
        described = script.client("ecs").describe_task_definition(taskDefinition=event["taskDefinition"])
        [container] = described["taskDefinition"]["containerDefinitions"]
        assert {"name": "SERVICE", "value": name} in container["environment"]
        capital = name.capitalize()
        assert container["logConfiguration"]["options"]["awslogs-group"] == outputs[f"{capital}LogGroup"]
        assert event["targetGroups"] == [outputs[f"{capital}TargetGroup1"], outputs[f"{capital}TargetGroup2"]]
    assert inputs["chat"]["routes"] == {"production": [outputs["ChatHostRule"], outputs["ChatPathRule"]]}
    assert "routes" not in inputs["users"]


def test_each_service_is_deployed_on_its_own_and_nothing_but_weights_changes(script, first, ministack, world):
    arns, services = mirror(script, world)
    inputs = dict(zip(SERVICES, printed_inputs(in_simulated_aws(first.stderr, arns)), strict=True))
    [listener] = services["chat"].listeners()
    before = rules(world, listener)
    assert alone(before) == {100: "ChatTargetGroup1", 200: "ChatTargetGroup1", 300: "UsersTargetGroup1"}

    # Both at once.
    executions = {name: ministack.start(event) for name, event in inputs.items()}
    test_rules = []
    while not all(ended(ministack, execution) for execution in executions.values()):
        test_rules += [rule for rule in rules(world, listener) if rule["Priority"] not in ("100", "200", "300")]
        time.sleep(0.02)
    for name, execution in executions.items():
        there = ministack.ended(execution)
        assert (there.status, there.error, there.cause) == ("SUCCEEDED", None, None)
        [task_set] = services[name].task_sets()
        assert task_set["status"] == "PRIMARY"
        assert task_set["taskDefinition"] == inputs[name]["taskDefinition"]
    assert alone(rules(world, listener)) == {100: "ChatTargetGroup2", 200: "ChatTargetGroup2", 300: "UsersTargetGroup2"}
    assert without_weights(rules(world, listener)) == without_weights(before)
    assert services["chat"].listeners()[0]["DefaultActions"] == listener["DefaultActions"]

    # Chat's input asks for test rules, by a header, and users' input for none.
    assert {header(rule) for rule in test_rules} == {("x-preview", "yes")}
    assert {alone([rule])[int(rule["Priority"])] for rule in test_rules} == {"ChatTargetGroup2"}

    # The next version of one service does not touch the other.
    [of_users] = services["users"].task_sets()
    next_one = register(script, world, printed_inputs(first.stderr)[0]["taskDefinition"])
    there = ministack.run({**inputs["chat"], "taskDefinition": next_one})
    assert (there.status, there.error, there.cause) == ("SUCCEEDED", None, None)
    assert alone(rules(world, listener)) == {100: "ChatTargetGroup1", 200: "ChatTargetGroup1", 300: "UsersTargetGroup2"}
    assert without_weights(rules(world, listener)) == without_weights(before)
    assert [one["id"] for one in services["users"].task_sets()] == [of_users["id"]]


def test_a_version_of_one_service_is_registered_alone(script, first):
    done = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}
    # Instead of Ebbtide, which has nothing to deploy on here: a state machine that succeeds.
    succeeds = script.client("stepfunctions").create_state_machine(
        name="succeeds-for-one", definition=json.dumps(done), roleArn=f"arn:aws:iam::{stack.ACCOUNT}:role/none"
    )["stateMachineArn"]
    second = script.run("chat", "1.1", succeeds)
    assert second.returncode == 0, second.stderr
    host = script.outputs(INFRASTRUCTURE)["DnsName"]
    assert second.stdout == f"{host}\n"
    assert f"curl http://{host}/chat/\n" in second.stderr
    [event] = printed_inputs(second.stderr)
    assert event["taskDefinition"].endswith("task-definition/alb-service-chat:2")
    assert script.outputs("alb-service-users")["TaskDefinition"].endswith("task-definition/alb-service-users:1")


def test_one_service_is_not_taken_down_with_what_both_run_on(script, first):
    refused = script.run("chat", "--destroy")
    assert refused.returncode == 2
    assert script.outputs(INFRASTRUCTURE)["DnsName"]


def test_everything_is_taken_down(deployed, script, first, world):
    # Where the task sets are.
    destroyed = script.run("--destroy", AWS_ENDPOINT_URL_ECS=deployed.aws)
    assert destroyed.returncode == 0, destroyed.stderr
    there = script.client("cloudformation").describe_stacks()["Stacks"]
    assert [one["StackName"] for one in there if one["StackName"].startswith("alb-service")] == []
    for name in SERVICES:
        family = f"alb-service-{name}"
        assert world.ecs.list_task_definitions(familyPrefix=family, status="ACTIVE")["taskDefinitionArns"] == []


def mirror(script, world):
    """Makes in the simulated AWS what the stacks on MiniStack describe: a map of its ARNs, and the services."""
    cloudformation = script.client("cloudformation")
    described = cloudformation.describe_stack_resources(StackName=INFRASTRUCTURE)["StackResources"]
    there = {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in described}
    here = {}

    def resolved(value):
        if isinstance(value, list):
            return [resolved(one) for one in value]
        if not isinstance(value, dict):
            return value
        if set(value) != {"Ref"}:
            return {key: resolved(one) for key, one in value.items()}
        name = value["Ref"]
        if name in TEMPLATE["Parameters"]:
            return TEMPLATE["Parameters"][name]["Default"]
        return here.get(name, there[name])

    def of_type(kind):
        for name, resource in TEMPLATE["Resources"].items():
            if resource["Type"] == ELB + kind:
                yield name, resolved(resource["Properties"])

    for name, properties in of_type("LoadBalancer"):
        del properties["LoadBalancerAttributes"]
        made = world.elb.create_load_balancer(Name=name, **properties)
        here[name] = made["LoadBalancers"][0]["LoadBalancerArn"]
    for name, properties in of_type("TargetGroup"):
        attributes = properties.pop("TargetGroupAttributes")
        made = world.elb.create_target_group(Name=name, **{**properties, "VpcId": "vpc-0000000000000000a"})
        here[name] = made["TargetGroups"][0]["TargetGroupArn"]
        world.elb.modify_target_group_attributes(TargetGroupArn=here[name], Attributes=attributes)
    for name, properties in of_type("Listener"):
        here[name] = world.elb.create_listener(**properties)["Listeners"][0]["ListenerArn"]
    for name, properties in of_type("ListenerRule"):
        here[name] = world.elb.create_rule(**properties)["Rules"][0]["RuleArn"]
    arns = {there[name]: arn for name, arn in here.items()}

    cluster = script.outputs(INFRASTRUCTURE)["Cluster"]
    world.ecs.create_cluster(clusterName=cluster)
    services = {}
    for name in SERVICES:
        service, task_definition = mirror_service(script, world, cluster, f"alb-service-{name}")
        arns |= task_definition
        services[name] = Service(world, cluster, service, here["LoadBalancer"])
    return arns, services


def ended(interpreter, execution):
    return interpreter.client.describe_execution(executionArn=execution)["status"] != "RUNNING"


def rules(world, listener):
    """Those of a listener, without its default rule."""
    described = world.elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
    return [rule for rule in described if not rule["IsDefault"]]


def forwards(rule):
    [action] = rule["Actions"]
    return action["ForwardConfig"]["TargetGroups"]


def alone(found):
    """The name of the only target group that each rule sends requests to, by priority."""
    to = {}
    for rule in found:
        [group] = [one["TargetGroupArn"] for one in forwards(rule) if one["Weight"] > 0]
        to[int(rule["Priority"])] = group.split("/")[1]
    return to


def without_weights(found):
    return [
        {**rule, "Actions": [{"Type": "forward", "TargetGroups": [one["TargetGroupArn"] for one in forwards(rule)]}]}
        for rule in found
    ]


def header(rule):
    """The header that a rule asks for."""
    [config] = [one["HttpHeaderConfig"] for one in rule["Conditions"] if one["Field"] == "http-header"]
    return config["HttpHeaderName"], *config["Values"]
