"""The examples for Terraform, CDK and CloudFormation: what they describe, and what they leave to Ebbtide.

No Terraform runs here: its file is parsed. CDK is synthesised. test_example.py deploys what CloudFormation describes.
"""

import json
import re
import shutil
import subprocess

import hcl2
import pytest
from samcli.yamlhelper import yaml_parse

import stack

EXAMPLES = stack.ROOT / "examples"
NODE_MODULES = stack.HERE / "node_modules"
# What a deployment writes to a service, by which names CloudFormation knows it.
OF_DEPLOYMENTS = {"TaskDefinition", "NetworkConfiguration", "LoadBalancers", "LaunchType", "PlatformVersion"}
# The tags that the functions write: those of the file, without two that they only read.
KEYS = re.findall(r'const \w+: &str = "(.*)"', (stack.ROOT / "functions" / "src" / "tags.rs").read_text())
TAGS = [key for key in KEYS if key != "serviceName" and not key.startswith("aws:")]


@pytest.fixture(scope="module")
def terraform():
    with open(EXAMPLES / "terraform" / "main.tf") as file:
        options = hcl2.SerializationOptions(with_comments=False, explicit_blocks=False, strip_string_quotes=True)
        return hcl2.load(file, serialization_options=options)


def resource(terraform, kind, name):
    [found] = [one[kind][name] for one in terraform["resource"] if name in one.get(kind, {})]
    return found


@pytest.fixture(scope="module")
def synthesised(tmp_path_factory):
    """The templates of examples/cdk, by stack."""
    folder = tmp_path_factory.mktemp("cdk")
    for name in ("app.ts", "tsconfig.json", "package.json"):
        shutil.copyfile(EXAMPLES / "cdk" / name, folder / name)
    (folder / "node_modules").symlink_to(NODE_MODULES)
    for command in (["node_modules/.bin/tsc"], ["node", "build/app.js"]):
        env = stack.environment(CDK_OUTDIR=str(folder / "cdk.out"))
        done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
    return {path.name.split(".")[0]: path for path in (folder / "cdk.out").glob("*.template.json")}


@pytest.fixture(params=["cdk", "nlb-service", "alb-service", "service-discovery"])
def templates(request):
    """The resources of an example's templates, and its folder."""
    folder = EXAMPLES / request.param
    if request.param == "cdk":
        texts = [path.read_text() for path in request.getfixturevalue("synthesised").values()]
    else:
        # The stacks of services are shared.
        paths = (folder / "infrastructure.yaml", EXAMPLES / "nlb-service" / "service.yaml")
        texts = [path.read_text() for path in paths]
    resources = {}
    for text in texts:
        resources |= yaml_parse(text)["Resources"]
    return resources, folder


def of_type(resources, kind):
    return {name: one["Properties"] for name, one in resources.items() if one["Type"] == f"AWS::{kind}"}


def routes(resources):
    """The listeners and rules that forward to target groups."""
    of_listeners = of_type(resources, "ElasticLoadBalancingV2::Listener")
    of_rules = of_type(resources, "ElasticLoadBalancingV2::ListenerRule")
    actions = {name: one["DefaultActions"] for name, one in of_listeners.items()}
    actions |= {name: one["Actions"] for name, one in of_rules.items()}
    return {name: found for name, found in actions.items() if any(one["Type"] == "forward" for one in found)}


def test_a_template_leaves_to_deployments_what_they_write_to_a_service(templates):
    resources, _ = templates
    [service] = of_type(resources, "ECS::Service").values()
    assert service["DeploymentController"] == {"Type": "EXTERNAL"}
    assert not OF_DEPLOYMENTS & set(service)
    assert not of_type(resources, "ECS::TaskSet") and not of_type(resources, "ECS::PrimaryTaskSet")


@pytest.mark.parametrize("templates", ["cdk", "nlb-service"], indirect=True)
def test_a_network_load_balancer_has_two_listeners_on_two_groups(templates):
    resources, _ = templates
    [balancer] = of_type(resources, "ElasticLoadBalancingV2::LoadBalancer").values()
    assert balancer["Type"] == "network"
    listeners = of_type(resources, "ElasticLoadBalancingV2::Listener")
    assert sorted(listeners) == ["ProductionListener", "TestListener"]
    forwards = {action["TargetGroupArn"]["Ref"] for one in listeners.values() for action in one["DefaultActions"]}
    assert forwards == set(of_type(resources, "ElasticLoadBalancingV2::TargetGroup")) and len(forwards) == 2


@pytest.mark.parametrize("templates", ["alb-service"], indirect=True)
def test_every_rule_of_the_shared_load_balancer_has_both_groups_of_a_service(templates):
    resources, _ = templates
    pairs = {}
    for name, [action] in routes(resources).items():
        weighted = action["ForwardConfig"]["TargetGroups"]
        assert [group["Weight"] for group in weighted] == [100, 0]
        pairs[name] = [group["TargetGroupArn"]["Ref"] for group in weighted]
    chat, users = ([f"{service}TargetGroup{number}" for number in (1, 2)] for service in ("Chat", "Users"))
    assert pairs == {"ChatHostRule": chat, "ChatPathRule": chat, "UsersPathRule": users}
    groups = of_type(resources, "ElasticLoadBalancingV2::TargetGroup")
    assert all(group == groups[chat[0]] for group in groups.values())


def test_no_template_writes_the_tags_of_a_deployment(templates):
    resources, _ = templates
    assert {"ebbtide:role", "isProduction"} < set(TAGS)
    text = json.dumps(resources)
    assert not [tag for tag in TAGS if tag in text]


@pytest.mark.parametrize("templates", ["cdk", "nlb-service", "alb-service"], indirect=True)
def test_the_stack_policy_denies_updates_of_what_a_deployment_writes(templates):
    resources, folder = templates
    allow, deny = json.loads((folder / "stack-policy.json").read_text())["Statement"]
    assert (allow["Effect"], allow["Resource"]) == ("Allow", "*")
    assert (deny["Effect"], deny["Action"]) == ("Deny", "Update:*")
    of_deployments = {*routes(resources), *of_type(resources, "ElasticLoadBalancingV2::TargetGroup")}
    assert sorted(deny["Resource"]) == sorted(f"LogicalResourceId/{name}" for name in of_deployments)


def test_the_synthesised_templates_have_no_lint(synthesised):
    assert sorted(synthesised) == ["chat", "chat-traffic"]
    linted = subprocess.run(
        ["cfn-lint", *map(str, synthesised.values())], env=stack.environment(), capture_output=True, text=True, timeout=120
    )
    assert (linted.returncode, linted.stdout) == (0, "")


def test_the_cdk_example_keeps_its_listeners_and_has_the_versions_that_are_tested(synthesised):
    template = json.loads(synthesised["chat-traffic"].read_text())
    listeners = [one for one in template["Resources"].values() if one["Type"].endswith("::Listener")]
    assert all(one["DeletionPolicy"] == "Retain" for one in listeners)
    package = json.loads((EXAMPLES / "cdk" / "package.json").read_text())
    tested = json.loads((stack.HERE / "package.json").read_text())["devDependencies"]
    for name, version in {**package["dependencies"], **package["devDependencies"]}.items():
        assert tested[name] == version


def test_terraform_has_an_external_service_and_two_listeners_on_two_groups(terraform):
    service = resource(terraform, "aws_ecs_service", "chat")
    assert service["deployment_controller"] == [{"type": "EXTERNAL"}]
    assert set(service) == {"name", "cluster", "desired_count", "deployment_controller", "lifecycle"}
    assert resource(terraform, "aws_lb", "chat")["load_balancer_type"] == "network"
    assert resource(terraform, "aws_lb_target_group", "chat")["for_each"] == '${toset(["a", "b"])}'
    groups = [
        action["target_group_arn"]
        for name in ("production", "test")
        for action in resource(terraform, "aws_lb_listener", name)["default_action"]
    ]
    assert groups == ['${aws_lb_target_group.chat["a"].arn}', '${aws_lb_target_group.chat["b"].arn}']
    assert not [one for one in terraform["resource"] if "aws_ecs_task_set" in one]


def test_terraform_ignores_what_a_deployment_writes(terraform):
    for name in ("production", "test"):
        assert resource(terraform, "aws_lb_listener", name)["lifecycle"] == [{"ignore_changes": ["default_action"]}]
    [lifecycle] = resource(terraform, "aws_ecs_service", "chat")["lifecycle"]
    assert set(lifecycle["ignore_changes"]) == {
        *("desired_count", "task_definition", "load_balancer", "network_configuration"),
        *("launch_type", "capacity_provider_strategy", "platform_version"),
    }
    [provider] = terraform["provider"]
    [ignored] = provider["aws"]["ignore_tags"]
    for tag in TAGS:
        assert tag in ignored["keys"] or any(tag.startswith(prefix) for prefix in ignored["key_prefixes"]), tag


def test_terraforms_first_input_has_what_a_first_deployment_needs(terraform):
    [output] = terraform["output"]
    fields = re.findall(r"(\w+) *=", json.dumps(output["deploy"]["value"]))
    fields = fields or list(output["deploy"]["value"])
    assert fields == ["cluster", "serviceName", "nlb", "subnets", "task_sg", "assignPublicIp"]


@pytest.mark.parametrize("page", ["terraform", "cloudformation", "cdk"])
def test_what_a_page_shows_of_an_example_is_in_it(page):
    text = (stack.ROOT / "docs" / f"{page}.md").read_text()
    shown = re.findall(r"<!-- from: (\S+) -->\n```\w+\n(.*?)```\n", text, re.DOTALL)
    assert shown
    for file, part in shown:
        assert part in (stack.ROOT / file).read_text(), part
