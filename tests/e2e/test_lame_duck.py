"""The hook's function of examples/nlb-service, as its template has it, with AWS's clients replaced."""

import json
import sys
import types

import pytest
from botocore.exceptions import ClientError
from samcli.yamlhelper import yaml_parse

import stack

INFRASTRUCTURE = yaml_parse((stack.ROOT / "examples" / "nlb-service" / "infrastructure.yaml").read_text())
SOURCE = INFRASTRUCTURE["Resources"]["TasksFunction"]["Properties"]["Code"]["ZipFile"]
ORIGINAL, REPLACEMENT = "ecs-svc/1", "ecs-svc/2"
EXECUTION = f"arn:aws:states:{stack.REGION}:{stack.ACCOUNT}:execution:ebbtide:one"


class Aws:
    """Tasks by task set, a page each, and the objects of the bucket."""

    def __init__(self):
        self.tasks = {ORIGINAL: ["a", "b"], REPLACEMENT: ["c"]}
        self.objects = {}
        self.fails = None

    def client(self, _):
        return self

    def get_paginator(self, operation):
        assert operation == "list_tasks"
        return self

    def paginate(self, cluster, startedBy):
        arn = f"arn:aws:ecs:{stack.REGION}:{stack.ACCOUNT}:task/{cluster}/"
        return [{"taskArns": [arn + task]} for task in self.tasks.get(startedBy, [])]

    def put_object(self, Bucket, Key, Body, ContentType):
        if self.fails:
            raise ClientError({"Error": {"Code": self.fails, "Message": "no"}}, "PutObject")
        self.objects[Bucket, Key] = json.loads(Body)

    def written(self):
        [(at, only)] = self.objects.items()
        assert at == ("bucket", "chat.json")
        return only["tasks"]


@pytest.fixture
def aws():
    return Aws()


@pytest.fixture
def call(aws, monkeypatch):
    """Calls the function at a point of a deployment."""
    monkeypatch.setenv("BUCKET", "bucket")
    monkeypatch.setitem(sys.modules, "boto3", types.SimpleNamespace(client=aws.client))
    index = {}
    exec(compile(SOURCE, "index.py", "exec"), index)

    def at(point, original=ORIGINAL, replacement=REPLACEMENT, details=None, drain=None):
        named = {"cluster": "main", "serviceName": "chat", "original": original, "replacement": replacement}
        event = {"executionId": EXECUTION, "hookDetails": details or {}, "ebbtide": {"at": point, **named}}
        if point == "beforeDrain":
            event["ebbtide"]["drain"] = {"tasks": 2, "seconds": 120, "deadline": 600} if drain is None else drain
        return index["handler"](event, None)

    return at


def test_tasks_learn_their_task_set_once_the_replacement_is_healthy(aws, call):
    assert call("afterHealthy") == {"hookStatus": "SUCCEEDED"}
    assert aws.written() == {"a": {"taskSet": ORIGINAL}, "b": {"taskSet": ORIGINAL}, "c": {"taskSet": REPLACEMENT}}


def test_a_first_deployment_has_no_original(aws, call):
    assert call("afterHealthy", original=None) == {"hookStatus": "SUCCEEDED"}
    assert aws.written() == {"c": {"taskSet": REPLACEMENT}}


def test_the_outgoing_tasks_are_asked_and_no_others(aws, call):
    call("beforeDrain")
    leave = {"id": EXECUTION, "seconds": 300}
    assert aws.written() == {
        "a": {"taskSet": ORIGINAL, "leave": leave},
        "b": {"taskSet": ORIGINAL, "leave": leave},
        "c": {"taskSet": REPLACEMENT},
    }


def test_it_succeeds_when_all_tasks_that_run_were_asked_a_while_ago(aws, call):
    first = call("beforeDrain")
    assert (first["hookStatus"], first["callBackDelay"]) == ("IN_PROGRESS", 30)
    # One was replaced.
    aws.tasks[ORIGINAL] = ["a", "d"]
    second = call("beforeDrain", details=first["hookDetails"])
    assert second["hookStatus"] == "IN_PROGRESS"
    assert "leave" in aws.written()["d"] and "b" not in aws.written()
    # Called twice with the same event, it says the same.
    for _ in range(2):
        assert call("beforeDrain", details=second["hookDetails"]) == {"hookStatus": "SUCCEEDED"}


def test_what_is_passed_on_fits_whatever_the_number_of_tasks(aws, call):
    aws.tasks[ORIGINAL] = [f"{number:032x}" for number in range(5000)]
    answer = call("beforeDrain")
    assert len(aws.written()) == 5001
    assert len(json.dumps(answer["hookDetails"])) < 4096


@pytest.mark.parametrize(
    "drain, seconds",
    [
        ({"tasks": 2, "seconds": 120, "deadline": 3600}, 3300),
        ({"tasks": 2, "seconds": 120, "deadline": 200}, 60),
        ({"tasks": 2, "seconds": 120, "deadline": None}, 120),
        ({"tasks": 2, "seconds": 0, "deadline": None}, 60),
        ({"tasks": 2}, 300),
    ],
)
def test_connections_are_closed_in_time_for_the_metric_to_say_so(aws, call, drain, seconds):
    call("beforeDrain", drain=drain)
    assert aws.written()["a"]["leave"]["seconds"] == seconds


def test_after_a_rollback_nothing_is_asked_any_more(aws, call):
    call("beforeDrain")
    aws.tasks.pop(REPLACEMENT)
    assert call("afterRollback") == {"hookStatus": "SUCCEEDED"}
    assert aws.written() == {"a": {"taskSet": ORIGINAL}, "b": {"taskSet": ORIGINAL}}


def test_an_error_of_aws_is_no_reason_to_go_back(aws, call, capsys):
    aws.fails = "SlowDown"
    assert call("beforeDrain") == {"hookStatus": "IN_PROGRESS", "callBackDelay": 30}
    assert "SlowDown" in capsys.readouterr().out


def test_the_input_calls_it_at_the_points_that_it_knows_and_reads_the_metric_that_the_service_reports():
    given = json.loads((stack.ROOT / "examples" / "nlb-service" / "input.json").read_text())
    assert [hook["at"] for hook in given["hooks"]] == ["afterHealthy", "beforeDrain", "afterRollback"]
    assert {hook["lambda"] for hook in given["hooks"]} == {"${TasksFunctionArn}"}
    service = (stack.ROOT / "examples" / "nlb-service" / "service" / "src" / "lame_duck.rs").read_text()
    metric = given["drain"]["connectionsMetric"]
    assert f'const NAMESPACE: &str = "{metric["namespace"]}";' in service
    assert f'const METRIC: &str = "{metric["metricName"]}";' in service
    assert metric["dimensions"] == {"TaskSet": "{taskSet}"}


def test_its_role_may_do_what_it_calls_and_no_more():
    [policy] = INFRASTRUCTURE["Resources"]["TasksRole"]["Properties"]["Policies"]
    statements = {one["Sid"]: one for one in policy["PolicyDocument"]["Statement"]}
    assert {sid: one["Action"] for sid, one in statements.items()} == {
        "ListTasks": "ecs:ListTasks",
        "WriteObject": "s3:PutObject",
        "WriteLogs": ["logs:CreateLogStream", "logs:PutLogEvents"],
    }
    assert [sid for sid, one in statements.items() if one["Resource"] == "*"] == ["ListTasks"]
    assert "ecs:cluster" in statements["ListTasks"]["Condition"]["ArnEquals"]
