"""Questions about Step Functions."""

import datetime
import json

import botocore.exceptions
from account import NotAsked, code_of, refused, is_trouble
from questions import Answer, question, seconds


@question(
    "Does `StartExecution` with the name and the input of a running execution answer that execution?",
    "It does, and starts nothing; the emulators refuse it",
)
def same_name_and_input(run):
    states, (_, alias) = run.account.states, run.state_machine()
    request = {"stateMachineArn": alias, "name": "twice", "input": json.dumps({"seconds": 120})}
    first = states.start_execution(**request)
    try:
        second = states.start_execution(**request)
    except botocore.exceptions.ClientError as error:
        if is_trouble(error):
            raise
        return Answer(f"The second call was refused: {code_of(error)}", False)
    same = first["executionArn"] == second["executionArn"]
    return Answer("Both calls answered the same execution." if same else "A second execution was started.", same)


@question(
    "When does `DescribeExecution` show that an execution was redriven?",
    "It is eventually consistent: a hint, never a lock",
)
def redrive_count(run):
    states, (_, alias) = run.account.states, run.state_machine()
    execution = started(run, alias, "redriven")
    if error := refused(lambda: states.redrive_execution(executionArn=execution)):
        return Answer(f"RedriveExecution was refused: {code_of(error)}", False)
    began = run.account.elapsed()
    counts = []

    def shown():
        counts.append(states.describe_execution(executionArn=execution).get("redriveCount", 0))
        return counts[-1] == 1

    run.account.until("the execution's redriveCount is 1", shown, 120, every=1)
    late = len(counts) - 1
    return Answer(f"redriveCount was 1 after {seconds(run.account.elapsed() - began)} ({late} readings had 0 before).")


def started(run, arn, name):
    """An execution that has failed."""
    states = run.account.states
    execution = states.start_execution(stateMachineArn=arn, name=name, input=json.dumps({"seconds": 1}))["executionArn"]

    def failed():
        return states.describe_execution(executionArn=execution)["status"] == "FAILED"

    run.account.until("the execution has failed", failed, 120)
    return execution


@question(
    "Does an execution that is started with an alias count in the metrics of its state machine?",
    "Not known: the alarms watch the log too",
)
def metrics_of_an_alias(run):
    """By its end: a run before this has started others. The one without an alias shows that there are metrics."""
    machine, alias = run.state_machine()
    run.account.sleep(120)
    began = run.account.now()
    started(run, machine, "without-an-alias")
    direct = value(run, "ExecutionsFailed", {"StateMachineArn": machine}, began)
    if direct is None:
        raise NotAsked("an execution without an alias had no ExecutionsFailed within 10 minutes either")
    run.account.sleep(120)
    between = run.account.now()
    started(run, alias, "with-an-alias")
    counted = value(run, "ExecutionsFailed", {"StateMachineArn": machine}, between)
    own = value(run, "ExecutionsFailed", {"StateMachineArn": alias}, between, limit=120)
    seen = f"Within 10 minutes, ExecutionsFailed of the state machine was {counted or 0:g}, of the alias {own or 0:g}."
    return Answer(seen, bool(counted))


def value(run, metric, dimensions, since, limit=600, namespace="AWS/States", until=None):
    """The sum of a metric from then on, as soon as there is one; `None` if there is none within `limit` seconds."""
    dimensions = [{"Name": name, "Value": text} for name, text in dimensions.items()]
    stat = {"Metric": {"Namespace": namespace, "MetricName": metric, "Dimensions": dimensions}, "Period": 60, "Stat": "Sum"}
    since = since.replace(second=0, microsecond=0)

    def summed():
        query = {"Id": "one", "MetricStat": stat}
        end = until or run.account.now() + datetime.timedelta(minutes=1)
        data = run.account.cloudwatch.get_metric_data(MetricDataQueries=[query], StartTime=since, EndTime=end)
        return sum(data["MetricDataResults"][0]["Values"])

    try:
        return run.account.until("the metric has a value", summed, limit, every=10)
    except NotAsked:
        return None
