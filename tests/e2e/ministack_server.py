"""MiniStack's server, with what it lacks for the shipped template and state machines.

- Versions and aliases of state machines, which SAM's `AutoPublishAlias` becomes: its Step Functions has
  them, and its CloudFormation would refuse the template. They are led to the API that it has. What it
  does not do with them: an execution that is started with an alias runs the state machine's newest
  definition, not the version's, and its events do not name the alias.
- `Fn::Join` in a condition, by which a list is told from an empty one.
- Alarms on an expression over several metrics: it keeps them as alarms on the first one.
- Executions that start an execution and wait for it (`startExecution.sync:2`): MiniStack's know no alias, send no
  events to EventBridge, and replace one of the same name. Here they start as any other, and fail as AWS documents it.
  What is left: they run on where the execution that waits for them is stopped.
"""

import json
import sys
import time

from ministack.app import main
from ministack.services import stepfunctions
from ministack.services.cloudformation import changesets, engine, handlers, provisioners, stacks


def call(operation, **request):
    status, _, body = operation(request)
    answer = json.loads(body)
    if status >= 400:
        raise ValueError(answer)
    return answer


def create_version(logical_id, properties, stack_name):
    arn = call(
        stepfunctions._publish_state_machine_version,
        stateMachineArn=properties["StateMachineArn"],
        revisionId=properties["StateMachineRevisionId"],
        description=properties.get("Description", ""),
    )["stateMachineVersionArn"]
    return arn, {"Arn": arn}


def delete_version(physical_id, properties):
    call(stepfunctions._delete_state_machine_version, stateMachineVersionArn=physical_id)


def route(properties):
    version = properties["DeploymentPreference"]["StateMachineVersionArn"]
    return [{"stateMachineVersionArn": version, "weight": 100}]


def create_alias(logical_id, properties, stack_name):
    arn = call(
        stepfunctions._create_state_machine_alias,
        name=properties["Name"],
        routingConfiguration=route(properties),
    )["stateMachineAliasArn"]
    return arn, {"Arn": arn}


def update_alias(physical_id, old_properties, properties, stack_name):
    call(
        stepfunctions._update_state_machine_alias,
        stateMachineAliasArn=physical_id,
        routingConfiguration=route(properties),
    )
    return physical_id, {"Arn": physical_id}


def delete_alias(physical_id, properties):
    call(stepfunctions._delete_state_machine_alias, stateMachineAliasArn=physical_id)


def joined(node, parameters):
    """A condition with its joins of parameters carried out."""
    if isinstance(node, list):
        return [joined(item, parameters) for item in node]
    if not isinstance(node, dict):
        return node
    if "Fn::Join" in node:
        between, items = node["Fn::Join"]
        # A list is one string here, with commas.
        return between.join(item.strip() for item in parameters[items["Ref"]]["Value"].split(","))
    return {key: joined(value, parameters) for key, value in node.items()}


evaluate_conditions = engine._evaluate_conditions


def evaluate_with_joins(template, parameters):
    conditions = joined(template.get("Conditions", {}), parameters)
    return evaluate_conditions({**template, "Conditions": conditions}, parameters)


def start_and_wait(resource, request):
    """Starts an execution, waits for its end, and answers with its description: input and output as JSON values."""
    try:
        started = call(stepfunctions._start_execution, **stepfunctions._nested_start_execution_request(request))
        while (seen := call(stepfunctions._describe_execution, **started))["status"] == "RUNNING":
            time.sleep(0.05)
    except ValueError as error:
        [answer] = error.args
        name = f"StepFunctions.{answer['__type']}Exception"
        raise stepfunctions._ExecutionError(name, answer["message"]) from error
    described = {name[0].upper() + name[1:]: value for name, value in seen.items() if value is not None}
    if seen["status"] != "SUCCEEDED":
        raise stepfunctions._ExecutionError("States.TaskFailed", json.dumps(described))
    return {**described, "Input": json.loads(seen["input"]), "Output": json.loads(seen["output"])}


for module in (changesets, engine, handlers, stacks):
    if hasattr(module, "_evaluate_conditions"):
        module._evaluate_conditions = evaluate_with_joins

alarm_record = provisioners._cw_metric_alarm_record


def alarm_record_of_one_metric(name, properties):
    for query in properties.get("Metrics", []):
        if "MetricStat" in query:
            stat = query["MetricStat"]
            one = {**stat["Metric"], "Period": stat["Period"], "Statistic": stat["Stat"]}
            return alarm_record(name, {**properties, **one, "Metrics": None})
    return alarm_record(name, properties)


provisioners._cw_metric_alarm_record = alarm_record_of_one_metric
stepfunctions._invoke_nested_start_execution_sync = start_and_wait
provisioners._RESOURCE_HANDLERS.setdefault(
    "AWS::StepFunctions::StateMachineVersion",
    {"create": create_version, "delete": delete_version},
)
provisioners._RESOURCE_HANDLERS.setdefault(
    "AWS::StepFunctions::StateMachineAlias",
    {"create": create_alias, "update": update_alias, "delete": delete_alias},
)
sys.exit(main())
