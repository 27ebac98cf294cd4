"""Listener rules as moto has them: the same calls to both, answer by answer.

Where they disagree, DISAGREE has both answers, and what AWS's API model or documentation says.
"""

import boto3
import botocore.config
import botocore.exceptions
import botocore.parsers
import pytest

import stack

GROUP, OTHER, LISTENER, DEFAULT = "<group>", "<other>", "<listener>", "<default rule>"
NOWHERE = "arn:aws:elasticloadbalancing:us-east-1:000000000000"
NO_RULE = f"{NOWHERE}:listener-rule/app/x/0000000000000000/0000000000000000/0000000000000000"
NO_GROUP = f"{NOWHERE}:targetgroup/x/0000000000000000"
OIDC = {
    "Issuer": "https://idp",
    "AuthorizationEndpoint": "https://idp/a",
    "TokenEndpoint": "https://idp/t",
    "UserInfoEndpoint": "https://idp/u",
    "ClientId": "chat",
    "SessionCookieName": "session",
    "Scope": "email",
    "SessionTimeout": 600,
    "OnUnauthenticatedRequest": "deny",
    "AuthenticationRequestExtraParams": {"prompt": "login"},
}
COGNITO = {
    "UserPoolArn": "arn:aws:cognito-idp:us-east-1:555555555555:userpool/us-east-1_a",
    "UserPoolClientId": "chat",
    "UserPoolDomain": "chat",
    "SessionCookieName": "session",
    "Scope": "email",
    "SessionTimeout": 600,
    "OnUnauthenticatedRequest": "deny",
}
JWT = {"JwksEndpoint": "https://idp/keys", "Issuer": "https://idp"}
# In full: AWS fills in the parts that are not given, moto does not.
REDIRECT = {"Protocol": "HTTPS", "Port": "443", "Host": "b.com", "Path": "/#{path}", "Query": "#{query}", "StatusCode": "HTTP_301"}
PATH = [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/a/*"]}}]
FORWARD = [{"Type": "forward", "TargetGroupArn": GROUP}]
TAGS = [{"Key": "team", "Value": "e2e"}]


def one(field, config, *values, **more):
    return [{"Field": field, config: {"Values": list(values), **more}}]


def weighted(**stickiness):
    groups = [{"TargetGroupArn": GROUP, "Weight": 0}, {"TargetGroupArn": OTHER, "Weight": 100}]
    config = {"TargetGroups": groups, "TargetGroupStickinessConfig": stickiness}
    return [{"Type": "forward", "ForwardConfig": config}]


def after(kind, config, settings):
    return [{"Type": kind, "Order": 1, config: settings}, {**FORWARD[0], "Order": 2}]


def rule(priority, conditions=PATH, actions=FORWARD, **more):
    return {"ListenerArn": LISTENER, "Priority": priority, "Conditions": conditions, "Actions": actions, **more}


# A name, the operation, its parameters. Names in angle brackets stand for ARNs: a rule has the name of the call that created it.
CALLS = [
    ("create", "create_rule", rule(10, Tags=TAGS)),
    ("its tags", "describe_tags", {"ResourceArns": ["<create>"]}),
    ("a priority in use", "create_rule", rule(10)),
    ("a listener that is not there", "create_rule", rule(11, ListenerArn=f"{NOWHERE}:listener/app/x/0/0")),
    ("a group that is not there", "create_rule", rule(11, actions=[{"Type": "forward", "TargetGroupArn": NO_GROUP}])),
    ("a short path", "create_rule", rule(20, [{"Field": "path-pattern", "Values": ["/b/*"]}])),
    ("hosts", "create_rule", rule(30, one("host-header", "HostHeaderConfig", "a.example.com", "*.b.com"))),
    ("a header", "create_rule", rule(40, one("http-header", "HttpHeaderConfig", "yes", HttpHeaderName="x-preview"))),
    ("a method", "create_rule", rule(50, one("http-request-method", "HttpRequestMethodConfig", "POST"))),
    ("a query", "create_rule", rule(60, one("query-string", "QueryStringConfig", {"Key": "v", "Value": "2"}))),
    ("addresses", "create_rule", rule(70, one("source-ip", "SourceIpConfig", "10.0.0.0/8"))),
    ("a header and a host", "create_rule", rule(80, one("http-header", "HttpHeaderConfig", "a", HttpHeaderName="x") + one("host-header", "HostHeaderConfig", "a.com"))),
    ("weights", "create_rule", rule(90, actions=weighted(Enabled=True, DurationSeconds=60))),
    ("a fixed response", "create_rule", rule(100, actions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404", "ContentType": "text/plain", "MessageBody": "no"}}])),
    ("a redirect", "create_rule", rule(110, actions=[{"Type": "redirect", "RedirectConfig": REDIRECT}])),
    ("OIDC", "create_rule", rule(120, actions=after("authenticate-oidc", "AuthenticateOidcConfig", {**OIDC, "ClientSecret": "planted"}))),
    ("Cognito", "create_rule", rule(130, actions=after("authenticate-cognito", "AuthenticateCognitoConfig", COGNITO))),
    ("JWT validation", "create_rule", rule(140, actions=after("jwt-validation", "JwtValidationConfig", JWT))),
    ("no client secret", "create_rule", rule(150, actions=after("authenticate-oidc", "AuthenticateOidcConfig", OIDC))),
    ("a kind of address", "create_rule", rule(160, [{"Field": "source-ip", "SourceIpConfig": {"IpAddressType": "ipv4"}}])),
    ("a field that is not there", "create_rule", rule(170, [{"Field": "cookie", "Values": ["a"]}])),
    ("two short paths", "create_rule", rule(180, [{"Field": "path-pattern", "Values": ["/a", "/b"]}])),
    ("a path both ways", "create_rule", rule(190, [{"Field": "path-pattern", "Values": ["/a"], "PathPatternConfig": {"Values": ["/a"]}}])),
    ("a host both ways", "create_rule", rule(200, [{"Field": "host-header", "Values": ["a.com"], "HostHeaderConfig": {"Values": ["a.com"]}}])),
    ("a short method", "create_rule", rule(210, [{"Field": "http-request-method", "Values": ["GET"]}])),
    ("a long path", "create_rule", rule(220, one("path-pattern", "PathPatternConfig", "/" * 129))),
    ("no value", "create_rule", rule(230, [{"Field": "path-pattern", "Values": []}])),
    ("six values", "create_rule", rule(240, one("path-pattern", "PathPatternConfig", *"/a /b /c /d /e /f".split()))),
    ("two paths", "create_rule", rule(250, PATH * 2)),
    ("no action", "create_rule", rule(260, actions=[])),
    ("two forwards", "create_rule", rule(270, actions=FORWARD * 2)),
    ("an action that is not there", "create_rule", rule(280, actions=[{"Type": "teapot"}])),
    ("a priority too high", "create_rule", rule(50_001)),
    ("all", "describe_rules", {"ListenerArn": LISTENER}),
    ("two by ARN", "describe_rules", {"RuleArns": ["<create>", "<hosts>"]}),
    ("by nothing", "describe_rules", {}),
    ("by both", "describe_rules", {"ListenerArn": LISTENER, "RuleArns": ["<create>"]}),
    ("one that is not there", "describe_rules", {"RuleArns": [NO_RULE]}),
    ("modify its actions", "modify_rule", {"RuleArn": "<create>", "Actions": weighted(Enabled=False)}),
    ("modify its conditions", "modify_rule", {"RuleArn": "<create>", "Conditions": one("path-pattern", "PathPatternConfig", "/z")}),
    ("keep the secret", "modify_rule", {"RuleArn": "<OIDC>", "Actions": after("authenticate-oidc", "AuthenticateOidcConfig", {**OIDC, "UseExistingClientSecret": True})}),
    ("modify nothing", "modify_rule", {"RuleArn": "<create>"}),
    ("modify the default rule", "modify_rule", {"RuleArn": DEFAULT, "Actions": FORWARD}),
    ("modify one that is not there", "modify_rule", {"RuleArn": NO_RULE, "Actions": FORWARD}),
    ("modify to a group that is not there", "modify_rule", {"RuleArn": "<create>", "Actions": [{"Type": "forward", "TargetGroupArn": NO_GROUP}]}),
    ("move", "set_rule_priorities", {"RulePriorities": [{"RuleArn": "<a short path>", "Priority": 21}]}),
    ("move to one in use", "set_rule_priorities", {"RulePriorities": [{"RuleArn": "<a short path>", "Priority": 30}]}),
    ("move two to one", "set_rule_priorities", {"RulePriorities": [{"RuleArn": "<a short path>", "Priority": 22}, {"RuleArn": "<hosts>", "Priority": 22}]}),
    ("tag", "add_tags", {"ResourceArns": ["<create>"], "Tags": [{"Key": "ebbtide:role", "Value": "test"}]}),
    ("untag", "remove_tags", {"ResourceArns": ["<create>"], "TagKeys": ["team"]}),
    ("tags then", "describe_tags", {"ResourceArns": ["<create>"]}),
    ("tags of one that is not there", "describe_tags", {"ResourceArns": [NO_RULE]}),
    ("delete", "delete_rule", {"RuleArn": "<create>"}),
    ("delete it again", "delete_rule", {"RuleArn": "<create>"}),
    ("delete the default rule", "delete_rule", {"RuleArn": DEFAULT}),
    ("what is left", "describe_rules", {"ListenerArn": LISTENER}),
    ("exchange", "set_rule_priorities", {"RulePriorities": [{"RuleArn": "<a short path>", "Priority": 30}, {"RuleArn": "<hosts>", "Priority": 21}]}),
]


# By call: our answer, moto's, and what AWS has.
DISAGREE = {
    "JWT validation": ("accepted", "ValidationError", "the model has the action; moto 5.2.5 does not know it"),
    "no client secret": ("ValidationError", "accepted", "the model: required if you are creating a rule"),
    "a host both ways": ("ValidationError", "accepted", "AWS refuses it like a path (aws-controllers-k8s/community#2759)"),
    "six values": ("ValidationError", "accepted", "a quota of 5 condition values a rule"),
    "two paths": ("ValidationError", "accepted", "the model: up to one path-pattern"),
    "no action": ("ValidationError", "accepted", "the model: exactly one routing action"),
    "two forwards": ("TooManyActions", "accepted", "the model: exactly one routing action"),
    "a priority too high": ("ValidationError", "accepted", "the model: 1 to 50000"),
    "modify the default rule": ("OperationNotPermitted", "accepted", "a default rule changes with its listener only"),
    "tags of one that is not there": ("RuleNotFound", "accepted", "the model has the error"),
    "delete it again": ("RuleNotFound", "accepted", "the model has the error"),
    "delete the default rule": ("OperationNotPermitted", "no answer", "the model: you can't delete it; moto ends in an error"),
    "exchange": ("accepted", "PriorityInUse", "the model: no conflicts in the new order"),
}


class Side:
    """An Application Load Balancer with an HTTPS listener, on one of the two."""

    def __init__(self, endpoint, subnets, certificate):
        config = botocore.config.Config(retries={"total_max_attempts": 1}, parameter_validation=False)
        keys = {"aws_access_key_id": stack.ACCOUNT, "aws_secret_access_key": "simulated"}
        self.elb = boto3.client("elbv2", endpoint_url=endpoint, region_name=stack.REGION, config=config, **keys)
        self.names = {}
        balancer = self.elb.create_load_balancer(Name="rules", Subnets=subnets, Type="application")["LoadBalancers"][0]
        for name in (GROUP, OTHER):
            more = {"Protocol": "HTTP", "Port": 80, "VpcId": balancer["VpcId"], "TargetType": "ip"}
            group = self.elb.create_target_group(Name=name.strip("<>"), **more)["TargetGroups"][0]
            self.names[group["TargetGroupArn"]] = name
        listener = self.elb.create_listener(
            LoadBalancerArn=balancer["LoadBalancerArn"],
            Protocol="HTTPS",
            Port=443,
            Certificates=[{"CertificateArn": certificate}],
            DefaultActions=self.with_arns([{"Type": "forward", "TargetGroupArn": GROUP}]),
        )["Listeners"][0]["ListenerArn"]
        self.names[listener] = LISTENER
        default = self.elb.describe_rules(ListenerArn=listener)["Rules"][-1]
        self.names[default["RuleArn"]] = DEFAULT

    def with_arns(self, value):
        return replaced(value, {name: arn for arn, name in self.names.items()})

    def answer(self, name, operation, parameters):
        """What it answers, with names for ARNs; of a refusal its code."""
        try:
            answer = getattr(self.elb, operation)(**self.with_arns(parameters))
        except botocore.exceptions.ClientError as refusal:
            return refusal.response["Error"]["Code"]
        except botocore.parsers.ResponseParserError:
            return "no answer"
        if operation == "create_rule":
            self.names[answer["Rules"][0]["RuleArn"]] = f"<{name}>"
        return replaced(answer, self.names)


def replaced(value, names):
    if isinstance(value, dict):
        return {key: replaced(one, names) for key, one in value.items() if key != "ResponseMetadata"}
    if isinstance(value, list):
        return [replaced(one, names) for one in value]
    return names.get(value, value) if isinstance(value, str) else value


def alike(answer):
    """An answer without what is written in two ways: moto has a host, a path and a lone group as they were given,
    AWS has them in both forms. moto has no Transforms, and writes the client secret."""
    if not isinstance(answer, dict):
        return answer
    rules = answer.get("Rules", [])
    for rule in rules:
        rule.pop("Transforms", None)
        for condition in rule["Conditions"]:
            for field, config in [("path-pattern", "PathPatternConfig"), ("host-header", "HostHeaderConfig")]:
                if condition["Field"] == field:
                    condition.setdefault(config, {"Values": condition.get("Values")})
                    condition.pop("Values", None)
        for action in rule["Actions"]:
            action.get("AuthenticateOidcConfig", {}).pop("ClientSecret", None)
            action.get("AuthenticateOidcConfig", {}).pop("UseExistingClientSecret", None)
            groups = action.get("ForwardConfig", {}).get("TargetGroups", [])
            if action["Type"] == "forward" and len(groups) == 1:
                action["TargetGroupArn"] = groups[0]["TargetGroupArn"]
                del action["ForwardConfig"]
    common = [rule for rule in rules if rule["RuleArn"].strip("<>") not in DISAGREE]
    return {**answer, "Rules": sorted(common, key=lambda rule: rule["RuleArn"])} if "Rules" in answer else answer


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    logs = tmp_path_factory.mktemp("rules")
    with stack.simulated_aws(logs / "serve.log", speed=1) as ours, stack.moto(logs, 1, ours) as theirs:
        ec2 = stack.client("ec2", theirs)
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"{stack.REGION}{zone}")["Subnet"]["SubnetId"]
            for number, zone in enumerate("ab")
        ]
        certificate = stack.client("acm", theirs).request_certificate(DomainName="a.example.com")["CertificateArn"]
        yield Side(ours, subnets, certificate), Side(theirs, subnets, certificate)


def test_rules_are_as_moto_has_them_but_for_what_is_listed(sides):
    disagree = {}
    for name, operation, parameters in CALLS:
        ours, theirs = (side.answer(name, operation, parameters) for side in sides)
        assert "planted" not in str(ours), name
        in_short = tuple("accepted" if isinstance(answer, dict) else answer for answer in (ours, theirs))
        if in_short[0] != in_short[1]:
            disagree[name] = in_short
        elif name not in DISAGREE:
            assert alike(ours) == alike(theirs), name
    assert disagree == {name: (ours, theirs) for name, (ours, theirs, _) in DISAGREE.items()}
