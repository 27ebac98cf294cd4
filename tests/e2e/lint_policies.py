"""Every policy of the template, as IAM gets it, under parliament, and its size.

parliament reads policies and not templates, so this puts in what CloudFormation would: once with the
parameters' defaults, and once with every list given. For a list, two values: a policy must be right
with either.
"""

import json
import pathlib
import sys

import yaml
from parliament import analyze_policy_string

TEMPLATE = pathlib.Path(__file__).resolve().parents[2] / "template.yaml"
PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::AccountId": "555555555555",
    "AWS::StackName": "ebbtide",
}
NO_VALUE = "AWS::NoValue"
ARNS = {
    "AWS::Serverless::Function": "arn:aws:lambda:us-east-1:555555555555:function:{}",
    "AWS::Serverless::StateMachine": "arn:aws:states:us-east-1:555555555555:stateMachine:{}",
    "AWS::DynamoDB::Table": "arn:aws:dynamodb:us-east-1:555555555555:table/{}",
    "AWS::Logs::LogGroup": "arn:aws:logs:us-east-1:555555555555:log-group:{}:*",
}
ECS = "arn:aws:ecs:us-east-1:555555555555:"
ELB = "arn:aws:elasticloadbalancing:us-east-1:555555555555:"
MAP = "arn:aws:servicediscovery:us-east-1:555555555555:"
LAMBDA = "arn:aws:lambda:us-east-1:555555555555:function:"
GIVEN = {
    "ClusterArns": [f"{ECS}cluster/main", f"{ECS}cluster/games-*"],
    "ServiceArns": [f"{ECS}service/main/chat", f"{ECS}service/games-*/*"],
    "TaskDefinitionArns": [f"{ECS}task-definition/chat:*", f"{ECS}task-definition/games-*:*"],
    "RouteArns": [f"{ELB}{kind}/{of}/*" for kind in ("listener", "listener-rule") for of in ("net/chat", "app/games")],
    "TargetGroupArns": [f"{ELB}targetgroup/chat-*", f"{ELB}targetgroup/games-*"],
    "RegistryArns": [f"{MAP}service/srv-chat", f"{MAP}service/srv-*"],
    "TaskRoleArns": ["arn:aws:iam::555555555555:role/chat", "arn:aws:iam::555555555555:role/games-*"],
    "HookArns": [f"{LAMBDA}smoke-test:live", f"{LAMBDA}check-*"],
}

# What IAM takes, white space aside (IAM quotas): of a managed policy, and of a role's inline policies together.
MANAGED, INLINE = 6_144, 10_240
# What the template and the README say that a list has room for: as many ARNs with names of this length.
ROOM = 16
NAME = "a-name-of-24-characters-"
FULL = {
    "ClusterArns": [f"{ECS}cluster/{NAME}"] * ROOM,
    "ServiceArns": [f"{ECS}service/{NAME}/{NAME}"] * ROOM,
    "TaskDefinitionArns": [f"{ECS}task-definition/{NAME}:*"] * ROOM,
    "RouteArns": [f"{ELB}listener-rule/net/{NAME}/0123456789abcdef/*"] * ROOM,
    "TargetGroupArns": [f"{ELB}targetgroup/{NAME}/0123456789abcdef"] * ROOM,
    "RegistryArns": [f"{MAP}service/srv-{NAME}"] * ROOM,
    "TaskRoleArns": [f"arn:aws:iam::555555555555:role/{NAME}"] * ROOM,
    "HookArns": [f"{LAMBDA}{NAME}:live"] * ROOM,
}

# What is found and is right as it is: the policy, what parliament calls it, and what it says.
ACCEPTED = {
    # Its only resource type is a container instance, which tasks on Fargate lack; the cluster is held
    # by a condition.
    ("TurnPolicy", "RESOURCE_STAR", "['ecs:ListTasks']"),
    # With anything narrower, CloudWatch answers without composite alarms.
    ("TurnPolicy", "RESOURCE_STAR", "['cloudwatch:DescribeAlarms']"),
    # Its list of condition keys lacks this one, which AWS documents for the tags of a new resource.
    (
        "CheckAndCreateRole",
        "UNKNOWN_CONDITION_FOR_ACTION",
        "Unknown condition elasticloadbalancing:CreateAction for action elasticloadbalancing:AddTags",
    ),
    # Wants the ARN of a Network Load Balancer's listener or rule as well: rules for tests are not created there.
    *(
        (policy, "RESOURCE_MISMATCH", str([{"action": f"elasticloadbalancing:{action}", "required_format": f"arn:*:elasticloadbalancing:*:*:{of}"}] * 2))
        for policy, action, of in (
            ("CheckAndCreateRole", "CreateRule", "listener/net/*/*/*"),
            ("SwapRole", "DeleteRule", "listener-rule/net/*/*/*/*"),
            ("ScaleDownRole", "DeleteRule", "listener-rule/net/*/*/*/*"),
        )
    ),
    # Its list of condition keys lacks this global one.
    (
        "AutoScalingPolicy",
        "UNKNOWN_CONDITION_FOR_ACTION",
        "Unknown condition aws:ViaAWSService for action ecs:UpdateService",
    ),
    # Wants the ARN of an express execution beside the ordinary one; there are none here.
    *(
        (
            policy,
            "RESOURCE_MISMATCH",
            "[{'action': 'states:DescribeExecution', 'required_format': 'arn:*:states:*:*:express:*:*:*'}]",
        )
        for policy in ("CheckAndCreateRole", "OperatorPolicy", "ServicesRole")
    ),
}


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short functions, as the long ones."""


def function(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


Loader.add_multi_constructor("!", function)


class Resolved:
    """A template with its parameters put in."""

    def __init__(self, template, given):
        self.resources = template["Resources"]
        defaults = {name: field.get("Default") for name, field in template["Parameters"].items()}
        self.values = {**PSEUDO, **defaults, **given}
        self.conditions = template["Conditions"]

    def policies(self):
        """Each with the resource that it is, or is in, and how many characters that may hold."""
        for name, resource in self.resources.items():
            for policy in resource["Properties"].get("Policies", []):
                yield name, INLINE, self.of(policy["PolicyDocument"])
            if resource["Type"] == "AWS::IAM::ManagedPolicy":
                yield name, MANAGED, self.of(resource["Properties"]["PolicyDocument"])

    def of(self, node):
        if isinstance(node, list):
            return [value for item in node if (value := self.of(item)) != NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            [(name, value)] = node.items()
            if name == "Ref":
                return self.reference(value)
            if name.startswith("Fn::"):
                # A function that is not here is an error, and is added when the template needs it.
                functions = {"If": self.when, "Sub": self.sub, "GetAtt": self.getatt, "Join": self.join, "Equals": self.equals}
                return functions[name.removeprefix("Fn::")](value)
        return {name: value for name, item in node.items() if (value := self.of(item)) != NO_VALUE}

    def reference(self, name):
        return self.values[name] if name in self.values else name

    def getatt(self, value):
        resource, attribute = value
        assert attribute == "Arn", f"{resource}.{attribute}"
        return ARNS[self.resources[resource]["Type"]].format(resource)

    def sub(self, text):
        while (start := text.find("${")) >= 0:
            end = text.index("}", start)
            name = text[start + 2 : end]
            value = self.getatt(name.split(".")) if "." in name else self.reference(name)
            text = text[:start] + value + text[end + 1 :]
        return text

    def join(self, value):
        between, items = value
        items = self.of(items)
        return between.join([items] if isinstance(items, str) else items)

    def equals(self, value):
        one, other = self.of(value)
        return one == other

    def when(self, value):
        condition, then, otherwise = value
        return self.of(then if self.of(self.conditions[condition]) else otherwise)


def findings(policies):
    """`(policy, issue, detail)` of whatever parliament finds."""
    return {
        (name, finding.issue, str(finding.detail))
        for name, _, policy in policies
        for finding in analyze_policy_string(json.dumps(policy)).findings
    }


def sizes(policies):
    """What each managed policy and the inline policies of each role hold, and may hold."""
    held = {}
    for name, most, policy in policies:
        size, _ = held.get(name, (0, most))
        held[name] = size + len("".join(json.dumps(policy).split())), most
    return held


def main():
    template = yaml.load(TEMPLATE.read_text(), Loader)
    right, seen = True, set()
    for case, given in (("the defaults", {}), ("every list given", GIVEN)):
        policies = list(Resolved(template, given).policies())
        found = findings(policies)
        wrong = found - ACCEPTED
        for finding in sorted(wrong):
            print(f"with {case}: " + ": ".join(finding), file=sys.stderr)
        print(f"parliament: {len(policies)} policies with {case}: {len(wrong)} findings")
        right = right and policies and not wrong
        seen |= found
    # An exception that nothing needs any more is wrong as well.
    for gone in sorted(ACCEPTED - seen):
        print("not found any more: " + ": ".join(gone), file=sys.stderr)
        right = False
    held = sizes(Resolved(template, FULL).policies())
    for name, (size, most) in held.items():
        if size > most:
            print(f"{name} has {size} characters with {ROOM} ARNs in every list; IAM takes {most}", file=sys.stderr)
    fullest = max(held, key=lambda name: held[name][0] / held[name][1])
    print(f"sizes: with {ROOM} ARNs in every list, {fullest} is the fullest: {held[fullest][0]} of {held[fullest][1]}")
    right = right and all(size <= most for size, most in held.values())
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    main()
