"""Whole executions of the shipped stack, under MiniStack's interpreter and under moto's.

The outcome is read from the world, by boto3 and the AWS CLI.
"""

import json

import stack
from interpreter import order

BEHAVIOUR = "SIMULATED_BEHAVIOUR"


def assert_deployed(service, task_definition, production):
    """One task set, primary, at full strength, alone behind the production listener; tags say so."""
    [task_set] = service.task_sets()
    assert task_set["status"] == "PRIMARY"
    assert task_set["taskDefinition"].endswith(task_definition)
    assert task_set["scale"] == {"value": 100.0, "unit": "PERCENT"}
    assert task_set["runningCount"] == task_set["computedDesiredCount"] == service.described()["desiredCount"]
    assert task_set["stabilityStatus"] == "STEADY_STATE"
    assert [attached["targetGroupArn"] for attached in task_set["loadBalancers"]] == [production]

    assert service.forwards_to(80) == production
    assert service.world.healthy(production) == task_set["runningCount"]
    [alternate] = [group for group in service.groups() if group != production]
    assert service.forwards_to(8080) == alternate
    tags = service.tags()
    assert tags[production].get("isProduction") == "true"
    assert tags[production].get("taskSetId") == task_set["id"]
    assert "isProduction" not in tags[alternate]
    return task_set["id"]


def test_the_samples_input_deploys_and_a_second_time_deploys_back(interpreter, sample, simulate):
    event = stack.EVENT.read_text()
    [before] = sample.task_sets()
    first = sample.forwards_to(80)
    [second] = [group for group in sample.groups() if group != first]

    there = interpreter.run(event)
    assert (there.status, there.error, there.cause) == ("SUCCEEDED", None, None)
    replacement = assert_deployed(sample, json.loads(event)["taskDefinition"], second)
    assert replacement != before["id"]
    assert there.output["taskSet"] == replacement
    assert there.output["steps"] <= 5
    assert there.order == order(simulate(stack.EVENT)["states"])

    back = interpreter.run(event)
    assert (back.status, back.error, back.cause) == ("SUCCEEDED", None, None)
    assert_deployed(sample, json.loads(event)["taskDefinition"], first)
    assert back.order == there.order


def test_the_aws_cli_starts_a_deployment_and_sees_what_it_did(deployed, ministack, sample):
    alternate = sample.alternate()

    started = deployed.command_line(
        *("stepfunctions", "start-execution", "--state-machine-arn", deployed.live, "--input", f"file://{stack.EVENT}")
    )
    assert ministack.ended(started["executionArn"]).status == "SUCCEEDED"

    services = deployed.command_line(
        *("ecs", "describe-services", "--cluster", sample.cluster, "--services", sample.name),
        *("--query", "services[].taskSets[].[status, runningCount, loadBalancers[0].targetGroupArn]"),
    )
    assert services == [["PRIMARY", 4, alternate]]
    production = deployed.command_line(
        *("elbv2", "describe-listeners", "--load-balancer-arn", sample.load_balancer),
        *("--query", "Listeners[?Port==`80`].DefaultActions[].ForwardConfig.TargetGroups[?Weight>`0`][].TargetGroupArn"),
    )
    assert production == [alternate]
    tagged = deployed.command_line(
        *("elbv2", "describe-tags", "--resource-arns", *sample.groups()),
        *("--query", "TagDescriptions[?Tags[?Key=='isProduction' && Value=='true']].ResourceArn"),
    )
    assert tagged == [alternate]


def test_three_fields_are_enough_for_a_deployment(interpreter, chat, simulate):
    event = stack.ROOT / "events" / "minimal.json"
    alternate = chat.alternate()
    ended = interpreter.run(event.read_text())
    assert (ended.status, ended.error, ended.cause) == ("SUCCEEDED", None, None)
    assert_deployed(chat, "chat:2", alternate)
    assert ended.order == order(simulate(event)["states"])


def test_a_dry_run_changes_nothing(interpreter, chat, simulate):
    event = stack.ROOT / "events" / "dry-run.json"
    before = chat.everything()
    ended = interpreter.run(event.read_text())
    assert (ended.status, ended.error, ended.cause) == ("SUCCEEDED", None, None)
    assert chat.everything() == before
    assert ended.order == order(simulate(event)["states"])


def test_a_replacement_that_never_gets_healthy_is_deleted_and_traffic_stays(interpreter, world, chat, simulate):
    environment = [{"name": BEHAVIOUR, "value": json.dumps({"neverHealthy": True})}]
    sick = world.register("chat", environment=environment)
    event = {
        "cluster": chat.cluster,
        "serviceName": chat.name,
        "taskDefinition": sick,
        "waitForService": 60,
        "readinessTimeout": 600,
        # ECS replaces what is unhealthy, and how often depends on how fast this machine is.
        "failedTasks": 100,
    }
    [original] = chat.task_sets()
    production = chat.forwards_to(80)

    ended = interpreter.run(event)
    assert (ended.status, ended.error) == ("FAILED", "NotReadyTimeout")
    assert "healthy" in ended.cause
    chat.wait_until(lambda: len(chat.task_sets()) == 1, "the replacement is gone")
    [left] = chat.task_sets()
    assert (left["id"], left["scale"], left["runningCount"]) == (original["id"], original["scale"], 4)
    assert chat.forwards_to(80) == production
    tags = chat.tags()
    assert [group for group in chat.groups() if tags[group].get("isProduction") == "true"] == [production]
    assert tags[production]["taskSetId"] == original["id"]

    simulated = simulate(event, {"replacement": {"neverHealthy": True}})
    assert simulated["error"] == "NotReadyTimeout"
    assert ended.order == order(simulated["states"])
