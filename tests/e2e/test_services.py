"""The state machine for several services on MiniStack: in order, and undone where one fails.

What MiniStack lacks for executions that start executions is in ministack_server.py. Its history has no states inside of
a Map: what was started is asked of the other state machine.
"""

import dataclasses

import pytest

CLUSTER = "shop"
TASKS = 2
ALARM = "app-errors"


@dataclasses.dataclass
class Started:
    """An execution that the one for several services has started."""

    name: str
    status: str
    started: object
    ended: object


def started_by(ministack, execution):
    """What it has started, in order."""
    parent = execution.rsplit(":", 1)[1]
    pages = ministack.client.get_paginator("list_executions").paginate(stateMachineArn=ministack.state_machine)
    found = [
        Started(one["name"], one["status"], one["startDate"], one.get("stopDate"))
        for page in pages
        for one in page["executions"]
        if one["name"].startswith(f"{parent}-")
    ]
    return sorted(found, key=lambda one: one.started)


def of(started, service):
    """The only execution of a service."""
    [found] = [one for one in started if f"-{service}-" in one.name]
    return found


@pytest.fixture(scope="module")
def shop(world):
    """A database and an application server, each with two revisions and the first one in service."""
    made = {}
    for name in ("db", "app"):
        first = world.register(name)
        world.register(name)
        made[name] = world.put_in_service(CLUSTER, name, first, TASKS)
    return made


def deployment(revision, **of_app):
    pace = {"waitForService": 5, "bakeTime": 30, "drain": {"percent": 100}}
    return {
        "cluster": CLUSTER,
        "services": [
            {"serviceName": "app", "taskDefinition": f"app:{revision}", "dependsOn": ["db"], **pace, **of_app},
            {"serviceName": "db", "taskDefinition": f"db:{revision}", **pace},
        ],
    }


def in_service(service):
    """The revision of the only task set, which has all tasks."""
    [task_set] = service.task_sets()
    assert (task_set["status"], task_set["runningCount"]) == ("PRIMARY", TASKS)
    return int(task_set["taskDefinition"].rsplit(":", 1)[1])


def test_an_alarm_of_the_second_service_brings_the_first_one_back_too(services, ministack, shop):
    services.alarm(ALARM, "OK")
    production = shop["app"].forwards_to(80)
    execution = services.start(deployment(2, alarms=[ALARM], bakeTime=600))
    shop["app"].wait_until(lambda: shop["app"].forwards_to(80) != production, "traffic of app has moved")
    assert in_service(shop["db"]) == 2
    services.alarm(ALARM, "ALARM")
    ended = services.ended(execution)

    assert (ended.status, ended.error) == ("FAILED", "ServiceFailed")
    assert ended.cause.startswith("app: AlarmRaised: ")
    assert ALARM in ended.cause
    assert ended.cause.endswith("Deployed in their earlier version again: db.")
    assert (in_service(shop["app"]), in_service(shop["db"])) == (1, 1)
    started = started_by(ministack, execution)
    assert [one.status for one in started] == ["SUCCEEDED", "FAILED", "SUCCEEDED"]
    first, failed, undone = (one.name for one in started)
    assert "-db-" in first and "-app-" in failed
    assert undone == f"{first}-undo"


def test_a_service_starts_once_what_it_depends_on_is_deployed(services, ministack, shop):
    execution = services.start(deployment(2))
    ended = services.ended(execution)
    assert (ended.status, ended.error, ended.cause) == ("SUCCEEDED", None, None)
    assert ended.output["status"] == "deployed"
    started = started_by(ministack, execution)
    assert of(started, "app").started >= of(started, "db").ended
    reported = {one["service"]: one["execution"].rsplit(":", 1)[1] for one in ended.output["services"]}
    assert reported == {name: of(started, name).name for name in ("app", "db")}
    assert (in_service(shop["app"]), in_service(shop["db"])) == (2, 2)


def test_nothing_is_started_where_one_service_would_be_refused(services, ministack, shop):
    before = {name: service.everything() for name, service in shop.items()}
    execution = services.start(deployment(2, containerName="no-such-container"))
    ended = services.ended(execution)
    assert (ended.status, ended.error) == ("FAILED", "PreflightFailed")
    assert "no-such-container" in ended.cause
    assert started_by(ministack, execution) == []
    assert {name: service.everything() for name, service in shop.items()} == before
