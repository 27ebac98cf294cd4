"""The shipped stack deploys a service whose load balancer is moto's: an Application Load Balancer that another
program wrote, with rules. The tasks, and so the health of their targets, are the simulated AWS's."""

import json
import time

import pytest

import processes
import stack
from interpreter import Interpreter
from test_rules import COGNITO
from world import Service, World

SPEED = 200
PATH = {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/chat/*"]}}


class Balancer:
    """In moto: a listener with a rule of the service's, and one of another's."""

    def __init__(self, endpoint):
        self.elb = stack.client("elbv2", endpoint)
        ec2 = stack.client("ec2", endpoint)
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        zones = [(f"10.0.{number}.0/24", f"{stack.REGION}{zone}") for number, zone in enumerate("ab")]
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=zone)["Subnet"]["SubnetId"] for block, zone in zones
        ]
        self.arn = self.elb.create_load_balancer(Name="shared", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
        self.groups = [
            self.elb.create_target_group(Name=name, Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip")["TargetGroups"][0]["TargetGroupArn"]
            for name in ("chat-a", "chat-b")
        ]
        certificate = stack.client("acm", endpoint).request_certificate(DomainName="a.example.com")["CertificateArn"]
        answer = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
        self.listener = self.elb.create_listener(
            LoadBalancerArn=self.arn,
            Protocol="HTTPS",
            Port=443,
            Certificates=[{"CertificateArn": certificate}],
            DefaultActions=[answer],
        )["Listeners"][0]["ListenerArn"]
        self.rule = self.create_rule(100, PATH, [self.forward(100, 0)])
        self.create_rule(200, {"Field": "host-header", "HostHeaderConfig": {"Values": ["b.com"]}}, [answer])

    def forward(self, *weights, **more):
        weighted = [{"TargetGroupArn": group, "Weight": weight} for group, weight in zip(self.groups, weights, strict=True)]
        return {"Type": "forward", "ForwardConfig": {"TargetGroups": weighted}, **more}

    def create_rule(self, priority, condition, actions):
        request = {"ListenerArn": self.listener, "Priority": priority, "Conditions": [condition], "Actions": actions}
        return self.elb.create_rule(**request)["Rules"][0]["RuleArn"]

    def rules(self):
        return {rule["Priority"]: rule for rule in self.elb.describe_rules(ListenerArn=self.listener)["Rules"]}

    def tags(self, arn):
        [described] = self.elb.describe_tags(ResourceArns=[arn])["TagDescriptions"]
        return {tag["Key"]: tag["Value"] for tag in described["Tags"]}


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """moto's load balancer, an event with its ARNs, the service in the simulated AWS, and the stack between them."""
    logs = tmp_path_factory.mktemp("moto-rules")
    port = processes.free_port()
    targets = f"http://127.0.0.1:{port}"
    with stack.moto(logs, SPEED, functions=targets, targets=targets) as elb:
        balancer = Balancer(elb)
        event = {
            "cluster": f"arn:aws:ecs:{stack.REGION}:{stack.ACCOUNT}:cluster/main",
            "serviceName": "chat",
            "taskDefinition": f"arn:aws:ecs:{stack.REGION}:{stack.ACCOUNT}:task-definition/chat:2",
            "nlb": balancer.arn,
            "targetGroups": balancer.groups,
            "routes": {"production": [balancer.rule]},
            "test": {"header": {"name": "x-preview", "value": "yes"}},
        }
        (logs / "event.json").write_text(json.dumps(event))
        with (
            stack.simulated_aws(logs / "serve.log", SPEED, logs / "event.json", port=port) as aws,
            stack.ministack(logs, SPEED, aws, elb=elb) as endpoint,
        ):
            world = World(aws)
            # Both groups are in use, as they are in moto: else nothing would check the health of the second.
            world.elb.modify_rule(RuleArn=balancer.rule, Actions=[balancer.forward(100, 0)])
            tags = world.elb.describe_tags(ResourceArns=balancer.groups[:1])["TagDescriptions"][0]["Tags"]
            balancer.elb.add_tags(ResourceArns=balancer.groups[:1], Tags=tags)
            stack.deploy(endpoint, logs / "deploy.log")
            deployed = stack.deployed(endpoint, aws, [endpoint], logs, SPEED)
            machine = Interpreter("MiniStack", endpoint, deployed.state_machine, deployed, deployed.live)
            yield balancer, event, Service(world, "main", "chat", balancer.arn), machine


def test_deployments_move_motos_rule_and_leave_everything_else(scene):
    balancer, event, service, machine = scene
    first, second = balancer.groups
    before = balancer.rules()

    execution = machine.start(event)
    test_rules = []
    while machine.client.describe_execution(executionArn=execution)["status"] == "RUNNING":
        test_rules += [rule for priority, rule in balancer.rules().items() if priority not in before]
        time.sleep(0.05)
    ended = machine.ended(execution)
    assert (ended.status, ended.error, ended.cause) == ("SUCCEEDED", None, None)
    assert_in_service(service, balancer, second)
    assert unmoved(balancer.rules()) == unmoved(before)
    # Meanwhile, there was a rule for tests.
    for rule in test_rules:
        assert sorted(condition["Field"] for condition in rule["Conditions"]) == ["http-header", "path-pattern"]
        assert [one["TargetGroupArn"] for one in forwards(rule) if one["Weight"] > 0] == [second]
    assert test_rules

    # Back, by a rule that signs users in first. With Cognito: moto answers the client secret of OIDC, which AWS never
    # does, and Ebbtide refuses what it does not know.
    sign_in = {"Type": "authenticate-cognito", "Order": 1, "AuthenticateCognitoConfig": COGNITO}
    balancer.elb.modify_rule(RuleArn=balancer.rule, Actions=[sign_in, balancer.forward(0, 100, Order=2)])
    before = balancer.rules()
    del event["test"]
    ended = machine.run(event)
    assert (ended.status, ended.error, ended.cause) == ("SUCCEEDED", None, None)
    assert_in_service(service, balancer, first)
    assert unmoved(balancer.rules()) == unmoved(before)


def assert_in_service(service, balancer, group):
    """One task set, primary, alone in the group that the rule forwards to; tags say so."""
    [task_set] = service.task_sets()
    assert (task_set["status"], task_set["loadBalancers"][0]["targetGroupArn"]) == ("PRIMARY", group)
    assert service.world.healthy(group) == task_set["runningCount"] == task_set["computedDesiredCount"]
    assert [one["TargetGroupArn"] for one in forwards(balancer.rules()["100"]) if one["Weight"] > 0] == [group]
    [other] = set(balancer.groups) - {group}
    assert balancer.tags(group)["isProduction"] == "true"
    assert balancer.tags(group)["taskSetId"] == task_set["id"]
    assert "isProduction" not in balancer.tags(other)


def forwards(rule):
    """The groups of a rule's last action: moto names a lone one as it was given."""
    forward = rule["Actions"][-1]
    return forward["ForwardConfig"]["TargetGroups"] if "ForwardConfig" in forward else [{**forward, "Weight": 1}]


def unmoved(rules):
    """Rules, the service's own without the weights of its groups."""
    own = rules["100"]
    groups = {one["TargetGroupArn"] for one in forwards(own)}
    return {**rules, "100": {**own, "Actions": [*own["Actions"][:-1], groups]}}
