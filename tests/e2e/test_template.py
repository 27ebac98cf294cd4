"""What `sam deploy` makes of the template beside the state machine and its functions.

MiniStack keeps what it is given and enforces little of it: policies deny nothing, alarms watch nothing
and are never raised, a dashboard is not drawn, nothing is encrypted, traced or deleted after its time.
The encryption and the recovery of the lock table, the key of the topic and the permissions boundary of roles
it does not even keep; checkov (`make template`) sees to the table's, `tests/whole/policies.rs` to the boundary.
"""

import fnmatch
import json
import re
import subprocess

import boto3
import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from samcli.yamlhelper import yaml_parse

import stack

FUNCTIONS = ("CheckAndCreate", "Swap", "ScaleDown")
BUILT = stack.ROOT / ".aws-sam" / "build"
HOME = f"{stack.REGION}:{stack.ACCOUNT}"
RESOURCES = yaml_parse((stack.ROOT / "template.yaml").read_text())["Resources"]
ALARMS = {key: resource["Properties"] for key, resource in RESOURCES.items() if resource["Type"] == "AWS::CloudWatch::Alarm"}
LOG_GROUPS = [key for key, resource in RESOURCES.items() if resource["Type"] == "AWS::Logs::LogGroup"]
LISTS = {
    "ClusterArns": [f"arn:aws:ecs:{HOME}:cluster/main", f"arn:aws:ecs:{HOME}:cluster/games-*"],
    "ServiceArns": [f"arn:aws:ecs:{HOME}:service/main/chat"],
    "TaskDefinitionArns": [f"arn:aws:ecs:{HOME}:task-definition/chat:*"],
    "RouteArns": [f"arn:aws:elasticloadbalancing:{HOME}:{of}/app/chat/0123456789abcdef/*" for of in ("listener", "listener-rule")],
    "TargetGroupArns": [f"arn:aws:elasticloadbalancing:{HOME}:targetgroup/chat-*"],
    "TaskRoleArns": [f"arn:aws:iam::{stack.ACCOUNT}:role/chat", f"arn:aws:iam::{stack.ACCOUNT}:role/chat-execution"],
    "RegistryArns": [f"arn:aws:servicediscovery:{HOME}:service/srv-chat"],
    "HookArns": [f"arn:aws:lambda:{HOME}:function:smoke-test", f"arn:aws:lambda:{HOME}:function:check-*"],
    "AlarmActionArns": [f"arn:aws:sns:{HOME}:pager"],
}
TOPIC = f"arn:aws:sns:{HOME}:deployments"
KEY = f"arn:aws:kms:{HOME}:key/01234567-89ab-cdef-0123-456789abcdef"


def versions(deployed, name=stack.STACK):
    """The functions that the state machine's definition calls."""
    machine = deployed.client("stepfunctions").describe_state_machine(
        stateMachineArn=deployed.resource("DeploymentStateMachine", name)
    )
    states = json.loads(machine["definition"])["States"].values()
    return {state["Parameters"]["FunctionName"] for state in states if "FunctionName" in state.get("Parameters", {})}


def live(deployed, name=stack.STACK):
    """The version that the state machine's alias leads to."""
    described = deployed.client("stepfunctions").describe_state_machine_alias(
        stateMachineAliasArn=deployed.resource("DeploymentStateMachineAliaslive", name)
    )
    [route] = described["routingConfiguration"]
    assert route["weight"] == 100
    return route["stateMachineVersionArn"]


def statements(deployed, role, name=stack.STACK):
    """The statements of a role's own policies and of those that are attached to it."""
    iam = deployed.client("iam")
    role = deployed.resource(role, name)
    own = iam.list_role_policies(RoleName=role)["PolicyNames"]
    documents = [iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"] for policy in own]
    for attached in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        arn = attached["PolicyArn"]
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        documents.append(iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"])
    return {statement["Sid"]: statement for document in documents for statement in document["Statement"]}


def alarms(deployed, name=stack.STACK):
    names = {deployed.resource(key, name): key for key in ALARMS}
    found = deployed.client("cloudwatch").describe_alarms(AlarmNames=list(names), MaxRecords=100)["MetricAlarms"]
    assert len(found) == len(ALARMS)
    return {names[alarm["AlarmName"]]: alarm for alarm in found}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_bootstrap_has_not_grown(deployed, function):
    # Above what was reached.
    assert (BUILT / f"{function}Function" / "bootstrap").stat().st_size <= 9_650_000


def test_a_bootstrap_says_which_handlers_it_knows(deployed):
    env = stack.environment(_HANDLER="bootstrap")
    done = subprocess.run([BUILT / "SwapFunction" / "bootstrap"], env=env, capture_output=True, text=True, timeout=60)
    allowed = "check-and-create, swap and scale-down are allowed"
    assert (done.returncode, done.stderr) == (1, f"Error: \"the handler is 'bootstrap'; {allowed}\"\n")


def test_a_deployment_runs_published_versions(deployed):
    assert live(deployed) == f"{deployed.state_machine}:1"
    functions = {deployed.resource(f"{name}Function") for name in FUNCTIONS}
    home = f"arn:aws:lambda:{HOME}:function"
    assert versions(deployed) == {f"{home}:{function}:1" for function in functions}
    invoke = statements(deployed, "DeploymentRole")["InvokeTheThreeFunctions"]
    assert set(invoke["Resource"]) == {f"{home}:{function}:*" for function in functions}
    for function in functions:
        alias = deployed.client("lambda").get_alias(FunctionName=function, Name="live")
        assert alias["FunctionVersion"] == "1"


def test_every_log_group_ends_and_every_function_knows_the_lock_table(deployed):
    logs = deployed.client("logs")
    for name in LOG_GROUPS:
        [group] = logs.describe_log_groups(logGroupNamePrefix=deployed.resource(name))["logGroups"]
        assert group["retentionInDays"] == 90
    for name in FUNCTIONS:
        function = deployed.client("lambda").get_function_configuration(
            FunctionName=deployed.resource(f"{name}Function")
        )
        assert function["LoggingConfig"]["LogGroup"] == deployed.resource(f"{name}LogGroup")
        assert function["TracingConfig"]["Mode"] == "Active"
        assert function["Environment"]["Variables"]["LOCK_TABLE"] == deployed.lock_table


def test_alarms_notify_the_topic(deployed):
    topic = deployed.resource("DeploymentEvents")
    for alarm in alarms(deployed).values():
        assert alarm["AlarmActions"] == [topic]
        assert alarm["TreatMissingData"] == "notBreaching"
        # What CloudWatch allows: seven days where a period is an hour, else one.
        assert alarm["Period"] * alarm["EvaluationPeriods"] <= (604800 if alarm["Period"] >= 3600 else 86400)


def test_alarms_watch_what_is_there(deployed):
    """MiniStack keeps one metric of an alarm, so these come from the template."""
    watched = {}
    for name, alarm in ALARMS.items():
        stats = [query["MetricStat"] for query in alarm.get("Metrics", []) if "MetricStat" in query]
        for metric in [stat["Metric"] for stat in stats] or [alarm]:
            values = [dimension["Value"] for dimension in metric.get("Dimensions", [])]
            watched.setdefault(metric["MetricName"], []).extend(values)
    machine = {"Ref": "DeploymentStateMachine"}
    metrics = {f"Executions{how}": [machine] for how in ("Failed", "TimedOut", "Aborted")}
    assert watched == {
        **metrics,
        "ExecutionThrottled": [machine],
        "Throttles": [{"Ref": f"{name}Function"} for name in FUNCTIONS],
        "UnsuccessfulEnds": ["ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted"],
        # The functions' own metrics, over all services.
        "DrainHours": [],
        "DeploymentHours": [],
    }

    # What is counted in the state machine's log, whose lines have the types of the execution's history.
    [counted] = deployed.client("logs").describe_metric_filters(
        logGroupName=deployed.resource("DeploymentLogGroup")
    )["metricFilters"]
    types = re.findall(r'\$\.type = "(\w+)"', counted["filterPattern"])
    assert sorted(types) == sorted(watched["UnsuccessfulEnds"])
    history = boto3.client("stepfunctions", region_name=stack.REGION).meta.service_model.shape_for("HistoryEventType")
    assert set(types) <= set(history.enum)
    [metric] = counted["metricTransformations"]
    assert (metric["metricNamespace"], metric["dimensions"]) == (f"Ebbtide/{stack.STACK}", {"Type": "$.type"})


def test_the_dashboard_shows_every_alarm_and_the_metrics_of_what_is_there(deployed):
    answer = deployed.client("cloudwatch").get_dashboard(DashboardName=deployed.resource("Dashboard"))
    body = json.loads(answer["DashboardBody"])
    widgets = body["widgets"]
    assert "${" not in answer["DashboardBody"]
    [shown] = [widget["properties"]["alarms"] for widget in widgets if widget["type"] == "alarm"]
    assert set(shown) == {alarm["AlarmArn"] for alarm in alarms(deployed).values()}
    places = [(x, y) for w in widgets for x in range(w["x"], w["x"] + w["width"]) for y in range(w["y"], w["y"] + w["height"])]
    assert len(places) == len(set(places)), "two widgets in one place"
    assert all(x < 24 for x, _ in places)
    # `...` and `.` stand for what the metric before has.
    metrics = [metric for w in widgets for metric in w["properties"].get("metrics", [])]
    named = {metric[1] if metric[0] == "..." else metric[3] for metric in metrics} - {"."}
    functions = {deployed.resource(f"{name}Function") for name in FUNCTIONS}
    assert named == {deployed.state_machine, deployed.lock_table} | functions


def test_the_installers_policy_has_the_calls_that_cloudformation_makes_for_each_resource(deployed):
    page = (stack.ROOT / "docs" / "install.md").read_text()
    [policy] = re.findall(r"<!-- test: installer -->\n```json\n(.*?)```\n", page, re.DOTALL)
    allowed = []
    for statement in json.loads(policy)["Statement"]:
        actions = statement["Action"]
        allowed += [actions] if isinstance(actions, str) else actions
    summaries = deployed.client("cloudformation").list_stack_resources(StackName=stack.STACK)["StackResourceSummaries"]
    for kind in sorted({summary["ResourceType"] for summary in summaries}):
        handlers = PROVIDER_SCHEMA_MANAGER.get_resource_schema(stack.REGION, kind).schema["handlers"]
        own = kind.split("::")[1].lower().replace("stepfunctions", "states")
        calls = {call for handler in handlers.values() for call in handler["permissions"] if call.startswith(f"{own}:")}
        # What it does to groups and users, which no policy of the template is attached to.
        calls -= {f"iam:{verb}{of}Policy" for verb in ("Attach", "Detach") for of in ("Group", "User")}
        assert calls
        missing = {call for call in calls if not any(fnmatch.fnmatchcase(call, action) for action in allowed)}
        assert not missing, kind


@pytest.fixture(scope="module")
def confined(deployed):
    """A second stack of the template, with every parameter given, and then with a new function."""
    name = "confined"
    parameters = [f"{key}={','.join(values)}" for key, values in LISTS.items()]
    parameters += [f"KmsKeyArn={KEY}", "LogRetentionInDays=30", "LongDeploymentHours=12", f"NotificationTopicArn={TOPIC}"]
    parameters += ["RolePath=/realtime/", f"PermissionsBoundaryArn=arn:aws:iam::{stack.ACCOUNT}:policy/boundary"]
    arguments = ("--parameter-overrides", *parameters)
    stack.deploy(deployed.ministack, deployed.logs / "confined.log", *arguments, stack=name)

    def again():
        """Deploys it with another swap function, as after a change of its code."""
        text = (BUILT / "template.yaml").read_text()
        changed = text.replace("Ebbtide: moves production", "Ebbtide: now moves production")
        assert changed != text
        template = BUILT / "changed.yaml"
        template.write_text(changed)
        # Else it looks for its settings beside the template.
        settings = ("--config-file", str(stack.ROOT / "samconfig.toml"))
        arguments = (*settings, "--template-file", str(template), "--parameter-overrides", *parameters)
        stack.deploy(deployed.ministack, deployed.logs / "confined-again.log", *arguments, stack=name)

    return name, again


def test_parameters_confine_what_can_be_deployed(deployed, confined):
    name, _ = confined
    for role in (f"{function}Role" for function in FUNCTIONS):
        found = statements(deployed, role, name)
        assert found["NoOtherCluster"]["Condition"] == {"ArnNotLike": {"ecs:cluster": LISTS["ClusterArns"]}}
        assert found["NoOtherService"]["Condition"] == {"ArnNotLike": {"ecs:service": LISTS["ServiceArns"]}}
        assert found["DescribeService"]["Resource"] == LISTS["ServiceArns"]
    found = statements(deployed, "CheckAndCreateRole", name)
    assert found["CreateReplacement"]["Condition"] == {"ArnLike": {"ecs:task-definition": LISTS["TaskDefinitionArns"]}}
    assert found["PassTaskRoles"]["Resource"] == LISTS["TaskRoleArns"]
    assert found["PassTaskRoles"]["Condition"] == {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    for sid in ("ChangeActions", "TagRole", "CreateTestRule"):
        assert found[sid]["Resource"] == LISTS["RouteArns"]
    found = statements(deployed, "SwapRole", name)
    assert found["ChangeActions"]["Resource"] == LISTS["RouteArns"]
    assert found["TagProduction"]["Resource"] == LISTS["TargetGroupArns"]
    assert statements(deployed, "DeploymentRole", name)["InvokeHooks"]["Resource"] == LISTS["HookArns"]
    for of, arns in ((name, LISTS["HookArns"]), (stack.STACK, [stack.HOOKS])):
        function = deployed.resource("CheckAndCreateFunction", of)
        configuration = deployed.client("lambda").get_function_configuration(FunctionName=function)
        assert configuration["Environment"]["Variables"]["HOOK_ARNS"] == ",".join(arns)
    # Without them, everything of the account and region, and nothing else.
    found = statements(deployed, "CheckAndCreateRole")
    assert found["NoOtherCluster"]["Condition"] == {"ArnNotLike": {"ecs:cluster": f"arn:aws:ecs:{HOME}:cluster/*"}}
    assert found["NoOtherService"]["Condition"] == {"ArnNotLike": {"ecs:service": f"arn:aws:ecs:{HOME}:service/*"}}
    assert "Condition" not in found["CreateReplacement"]


def test_parameters_say_what_is_notified_how_long_logs_live_with_which_key_and_where_roles_are(deployed, confined):
    name, _ = confined
    found = alarms(deployed, name)
    assert all(alarm["AlarmActions"] == LISTS["AlarmActionArns"] for alarm in found.values())
    assert found["LongDrainAlarm"]["Threshold"] == found["LongDeploymentAlarm"]["Threshold"] == 12
    for rule in (key for key, resource in RESOURCES.items() if resource["Type"] == "AWS::Events::Rule"):
        [target] = deployed.client("events").list_targets_by_rule(Rule=deployed.resource(rule, name))["Targets"]
        assert target["Arn"] == TOPIC
    summaries = deployed.client("cloudformation").list_stack_resources(StackName=name)["StackResourceSummaries"]
    assert not any(one["ResourceType"].startswith("AWS::SNS::") for one in summaries)
    logs = deployed.client("logs")
    for group in LOG_GROUPS:
        [described] = logs.describe_log_groups(logGroupNamePrefix=deployed.resource(group, name))["logGroups"]
        assert (described["retentionInDays"], described["kmsKeyId"]) == (30, KEY)
    for role in ("DeploymentRole", *(f"{function}Role" for function in FUNCTIONS)):
        assert deployed.client("iam").get_role(RoleName=deployed.resource(role, name))["Role"]["Path"] == "/realtime/"


def test_a_new_version_leaves_the_old_one_to_those_under_way(deployed, confined):
    name, again = confined
    before, machine = versions(deployed, name), live(deployed, name)
    again()
    [swap] = versions(deployed, name) - before
    assert swap.endswith(":2")
    assert len(versions(deployed, name) & before) == 2
    assert live(deployed, name) == machine.replace(":1", ":2")
    # What an execution under way calls, and the definition it runs.
    [old] = before - versions(deployed, name)
    aws_lambda = deployed.client("lambda")
    assert aws_lambda.get_function_configuration(FunctionName=old)["Version"] == "1"
    published = deployed.client("stepfunctions").list_state_machine_versions(
        stateMachineArn=deployed.resource("DeploymentStateMachine", name)
    )["stateMachineVersions"]
    assert machine in {version["stateMachineVersionArn"] for version in published}
