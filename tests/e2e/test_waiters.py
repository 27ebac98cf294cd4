"""The waiters of boto3 and of the AWS CLI end on the simulated AWS as AWS documents them, and fail as documented."""

import json

import botocore.exceptions
import pytest
from awscli.clidriver import create_clidriver
from botocore import xform_name

import stack
from test_simulated_aws import NO_BALANCER, OPERATIONS, World

# Simulated seconds a second.
SPEED = 100


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The address of a simulated AWS that begins with the service of events/minimal.json and an alarm, and a world in it."""
    folder = tmp_path_factory.mktemp("waiters")
    event = json.loads((stack.ROOT / "events" / "minimal.json").read_text())
    (folder / "event.json").write_text(json.dumps({**event, "alarms": ["errors"]}))
    with stack.simulated_aws(folder / "log", SPEED, folder / "event.json") as endpoint:
        yield endpoint, World(endpoint, [])


def tasks(w):
    return {"cluster": "main", "tasks": w.ecs.list_tasks(cluster="main", serviceName="chat")["taskArns"]}


def stopping(w):
    [*_, last] = tasks(w)["tasks"]
    return {"cluster": "main", "tasks": [w.ecs.stop_task(cluster="main", task=last)["task"]["taskArn"]]}


def deleted(w):
    w.ecs.delete_service(**w.of_service(force=True))
    return {"cluster": w.cluster, "services": [w.service]}


def targets(w):
    [group] = [one["TargetGroupArn"] for one in w.elb.describe_target_groups()["TargetGroups"] if health(w, one["TargetGroupArn"])]
    return {"TargetGroupArn": group, "Targets": [one["Target"] for one in health(w, group)]}


def health(w, group):
    return w.elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]


def deregistered(w):
    request = {**targets(w), "Targets": targets(w)["Targets"][:1]}
    w.elb.deregister_targets(**request)
    return request


def created_table(w):
    w.create_table("created")
    return {"TableName": "created"}


MISSING = {"cluster": "main", "services": ["missing"]}

# What a waiter is asked for it to end well; last what disturbs others.
ENDS = {
    ("ecs", "tasks_running"): tasks,
    ("ecs", "services_inactive"): deleted,
    ("elb", "target_in_service"): targets,
    ("elb", "load_balancer_exists"): lambda w: {"LoadBalancerArns": [w.load_balancer]},
    ("elb", "load_balancer_available"): lambda w: {"LoadBalancerArns": [w.alb]},
    ("elb", "load_balancers_deleted"): lambda w: {"LoadBalancerArns": [NO_BALANCER]},
    ("dynamodb", "table_exists"): created_table,
    ("dynamodb", "table_not_exists"): lambda w: {"TableName": "nowhere"},
    ("cloudwatch", "alarm_exists"): lambda w: {"AlarmNames": ["errors"]},
    ("ecs", "tasks_stopped"): stopping,
    ("elb", "target_deregistered"): deregistered,
}

# And how it fails: at once, or when it has asked as often as it may.
AT_ONCE, AT_LAST = "encountered a terminal failure state", "Max attempts exceeded"
FAILS = [
    # A service with task sets has no deployments, which this waiter counts.
    ("ecs", "services_stable", lambda w: {"cluster": "main", "services": ["chat"]}, AT_LAST),
    ("ecs", "services_stable", lambda w: MISSING, AT_ONCE),
    ("ecs", "services_inactive", lambda w: MISSING, AT_ONCE),
    ("ecs", "tasks_running", lambda w: {"cluster": "main", "tasks": ["0" * 32]}, AT_ONCE),
    ("elb", "load_balancer_exists", lambda w: {"LoadBalancerArns": [NO_BALANCER]}, AT_LAST),
    ("elb", "load_balancers_deleted", lambda w: {"LoadBalancerArns": [w.load_balancer]}, AT_LAST),
    ("elb", "target_deregistered", targets, AT_LAST),
    ("dynamodb", "table_exists", lambda w: {"TableName": "nowhere"}, AT_LAST),
    ("cloudwatch", "alarm_exists", lambda w: {"AlarmNames": ["nothing"]}, AT_LAST),
    # There are no alarms of these kinds here.
    ("cloudwatch", "composite_alarm_exists", lambda w: {"AlarmNames": ["errors"]}, AT_LAST),
    ("cloudwatch", "log_alarm_exists", lambda w: {"AlarmNames": ["errors"]}, AT_LAST),
]


def wait(w, service, waiter, request, attempts):
    getattr(w, service).get_waiter(waiter).wait(**request, WaiterConfig={"Delay": 0.2, "MaxAttempts": attempts})


@pytest.fixture
def command_line(served, monkeypatch):
    """`aws SERVICE wait WAITER`, in this process: its start takes seconds. The status that it ends with."""
    endpoint, _ = served
    for name, value in stack.environment().items():
        monkeypatch.setenv(name, value)

    def run(service, waiter, request):
        command = [{"elb": "elbv2"}.get(service, service), "wait", waiter.replace("_", "-"), "--endpoint-url", endpoint]
        return create_clidriver().main([*command, "--cli-input-json", json.dumps(request)])

    return run


def test_the_waiters_of_boto3_and_of_the_aws_cli_end(served, command_line):
    _, w = served
    for of, request_of in ENDS.items():
        request = request_of(w)
        wait(w, *of, request, attempts=150)
        assert command_line(*of, request) == 0, of


@pytest.mark.parametrize(("service", "waiter", "request_of", "how"), FAILS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_waiter_of_boto3_fails(served, service, waiter, request_of, how):
    _, w = served
    with pytest.raises(botocore.exceptions.WaiterError, match=how):
        wait(w, service, waiter, request_of(w), attempts=2)


def test_a_waiter_of_the_aws_cli_fails(command_line, capsys):
    assert command_line("ecs", "services_stable", MISSING) == 255
    assert f"Waiter ServicesStable failed: Waiter {AT_ONCE}" in capsys.readouterr().err


def test_no_waiter_goes_untested(served):
    _, w = served
    tested = set(ENDS) | {(service, waiter) for service, waiter, *_ in FAILS}
    for service, operations in OPERATIONS.items():
        client = getattr(w, service)
        model = client._get_waiter_config()
        names = model["waiters"] if model else {}
        there = {xform_name(name) for name, of in names.items() if of["operation"] in operations}
        assert there == {waiter for of, waiter in tested if of == service}
