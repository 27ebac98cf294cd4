"""What `sam deploy` makes of the template beside the state machine and its functions.

MiniStack keeps what it is given and enforces little of it: policies deny nothing, alarms watch nothing
and are never raised, a dashboard is not drawn, nothing is encrypted, traced or deleted after its time.
The encryption and the recovery of the lock table and the key of the topic it does not even keep;
checkov (`make template`) sees to the table's.
"""

import json
import re
import subprocess

import pytest
import yaml

import stack

FUNCTIONS = ("CheckAndCreate", "Swap", "ScaleDown")
BUILT = stack.ROOT / ".aws-sam" / "build"
HOME = f"{stack.REGION}:{stack.ACCOUNT}"
LISTS = {
    "ClusterArns": [f"arn:aws:ecs:{HOME}:cluster/main", f"arn:aws:ecs:{HOME}:cluster/games-*"],
    "ServiceArns": [f"arn:aws:ecs:{HOME}:service/main/chat"],
    "ListenerArns": [f"arn:aws:elasticloadbalancing:{HOME}:listener/net/chat/0123456789abcdef/*"],
    "TargetGroupArns": [f"arn:aws:elasticloadbalancing:{HOME}:targetgroup/chat-*"],
    "TaskRoleArns": [f"arn:aws:iam::{stack.ACCOUNT}:role/chat", f"arn:aws:iam::{stack.ACCOUNT}:role/chat-execution"],
    "AlarmActionArns": [f"arn:aws:sns:{HOME}:pager"],
}
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
    iam = deployed.client("iam")
    document = iam.get_role_policy(RoleName=deployed.resource(role, name), PolicyName="calls")["PolicyDocument"]
    return {statement["Sid"]: statement for statement in document["Statement"]}


def alarms(deployed, name=stack.STACK):
    template = yaml.safe_load(re.sub(r"!\w+", "", (stack.ROOT / "template.yaml").read_text()))
    ids = [key for key, resource in template["Resources"].items() if resource["Type"] == "AWS::CloudWatch::Alarm"]
    names = [deployed.resource(key, name) for key in ids]
    found = deployed.client("cloudwatch").describe_alarms(AlarmNames=names, MaxRecords=100)["MetricAlarms"]
    assert len(found) == len(ids)
    return {key: alarm for key, name in zip(ids, names) for alarm in found if alarm["AlarmName"] == name}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_bootstrap_has_not_grown(deployed, function):
    # Above what was reached, as in `make bench-functions`.
    assert (BUILT / f"{function}Function" / "bootstrap").stat().st_size <= 8_000_000


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
    names = [deployed.resource(f"{name}LogGroup") for name in (*FUNCTIONS, "Deployment", "NotSucceeded")]
    for name in names:
        [group] = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        assert group["retentionInDays"] == 90
    for name in FUNCTIONS:
        function = deployed.client("lambda").get_function_configuration(
            FunctionName=deployed.resource(f"{name}Function")
        )
        assert function["LoggingConfig"]["LogGroup"] == deployed.resource(f"{name}LogGroup")
        assert function["TracingConfig"]["Mode"] == "Active"
        assert function["Environment"]["Variables"]["LOCK_TABLE"] == deployed.lock_table


def test_alarms_watch_what_is_there_and_tell_the_topic(deployed):
    topic = deployed.resource("DeploymentEvents")
    watched = {deployed.state_machine}
    watched |= {deployed.resource(f"{name}Function") for name in FUNCTIONS}
    seen = set()
    for alarm in alarms(deployed).values():
        assert alarm["AlarmActions"] == [topic]
        assert alarm["TreatMissingData"] == "notBreaching"
        if alarm["Namespace"] == "Ebbtide":
            # The functions' own metrics, over all services.
            assert alarm["MetricName"] in {"DrainHours", "DeploymentHours"} and not alarm.get("Dimensions")
        else:
            [dimension] = alarm["Dimensions"]
            seen.add(dimension["Value"])
        # What CloudWatch allows: seven days where a period is an hour, else one.
        assert alarm["Period"] * alarm["EvaluationPeriods"] <= (604800 if alarm["Period"] >= 3600 else 86400)
    assert seen == watched


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
    named = {metric[3] for w in widgets for metric in w["properties"].get("metrics", [])}
    functions = {deployed.resource(f"{name}Function") for name in FUNCTIONS}
    assert named == {deployed.state_machine, deployed.lock_table} | functions


@pytest.fixture(scope="module")
def confined(deployed):
    """A second stack of the template, with every parameter given, and then with a new function."""
    name = "confined"
    parameters = [f"{key}={','.join(values)}" for key, values in LISTS.items()]
    parameters += [f"KmsKeyArn={KEY}", "LogRetentionInDays=30", "LongDeploymentHours=12"]
    arguments = ("--parameter-overrides", *parameters)
    stack.deploy(deployed.ministack, deployed.logs / "confined.log", *arguments, stack=name)

    def again():
        """Deploys it with another swap function, as after a change of its code."""
        text = (BUILT / "template.yaml").read_text()
        changed = text.replace("Ebbtide: moves the production", "Ebbtide: now moves the production")
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
    found = statements(deployed, "CheckAndCreateRole", name)
    cluster = {"ecs:cluster": LISTS["ClusterArns"]}
    service = {"ecs:service": LISTS["ServiceArns"]}
    assert found["CreateReplacement"]["Condition"] == {"ArnLike": {**cluster, **service}}
    assert found["FindStoppedTasks"]["Condition"] == {"ArnLike": cluster}
    assert found["SeeService"]["Resource"] == LISTS["ServiceArns"]
    assert found["PassTaskRoles"]["Resource"] == LISTS["TaskRoleArns"]
    assert found["PassTaskRoles"]["Condition"] == {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    assert found["AttachAlternateGroup"]["Resource"] == LISTS["ListenerArns"]
    found = statements(deployed, "SwapRole", name)
    assert found["MoveListeners"]["Resource"] == LISTS["ListenerArns"]
    assert found["RecordProduction"]["Resource"] == LISTS["TargetGroupArns"]
    found = statements(deployed, "ScaleDownRole", name)
    assert found["DrainAndDelete"]["Condition"] == {"ArnLike": {**cluster, **service}}
    # Without them, everything of the account and region, and nothing else.
    assert statements(deployed, "ScaleDownRole")["DrainAndDelete"]["Condition"] == {
        "ArnLike": {"ecs:cluster": f"arn:aws:ecs:{HOME}:cluster/*", "ecs:service": f"arn:aws:ecs:{HOME}:service/*"}
    }


def test_parameters_say_who_is_told_how_long_logs_live_and_with_which_key(deployed, confined):
    name, _ = confined
    found = alarms(deployed, name)
    assert all(alarm["AlarmActions"] == LISTS["AlarmActionArns"] for alarm in found.values())
    assert found["StuckDrainAlarm"]["Threshold"] == found["OldLockAlarm"]["Threshold"] == 12
    logs = deployed.client("logs")
    for group in (*FUNCTIONS, "Deployment", "NotSucceeded"):
        prefix = deployed.resource(f"{group}LogGroup", name)
        [described] = logs.describe_log_groups(logGroupNamePrefix=prefix)["logGroups"]
        assert (described["retentionInDays"], described["kmsKeyId"]) == (30, KEY)


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
