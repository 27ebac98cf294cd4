"""Questions about ECS and about what load balancers answer.

Each has a row of docs/aws-behaviour.md behind it, which is what `assumed` says, and a function that finds out.
"""

import contextlib
import dataclasses
from collections.abc import Callable

import botocore.exceptions
from account import NotAsked, code_of, refused, is_trouble
from service import TASKS


@dataclasses.dataclass
class Answer:
    """What was seen. `agrees`: whether it is what the documents assume, `None` where they assume nothing."""

    seen: str
    agrees: bool | None = None


@dataclasses.dataclass
class Question:
    name: str
    text: str
    assumed: str
    ask: Callable


def question(text, assumed):
    return lambda ask: Question(ask.__name__.replace("_", "-"), text, assumed, ask)


def seconds(value):
    return f"{value:.0f} s"


@question(
    "How long does a Network Load Balancer take until it finds a new target healthy?",
    "3 to 5 minutes until its health checks begin; 70 to 120 s were observed",
)
def registration(run):
    began = run.account.elapsed()
    service = run.service
    service.wait_for_running(service.original, TASKS)
    runs = run.account.elapsed() - began
    service.wait_for_healthy(service.groups[0], TASKS)
    takes = run.account.elapsed() - began - runs
    seen = f"The tasks ran after {seconds(runs)}, their targets were healthy {seconds(takes)} later."
    if service.refusals:
        seen += f" CreateTaskSet was refused {len(service.refusals)} times before: {service.refusals[0]}"
    return Answer(seen, 60 <= takes <= 420)


@question(
    "Does `DescribeRules` for a listener of a Network Load Balancer without rules answer its default rule?",
    "It does; any other answer fails a turn",
)
def default_rule(run):
    rules = run.account.elb.describe_rules(ListenerArn=run.service.listener)["Rules"]
    defaults = [rule for rule in rules if rule["IsDefault"]]
    return Answer(f"{len(rules)} rules, {len(defaults)} of them default.", len(rules) == len(defaults) == 1)


@question(
    "How much precision does ECS keep of a scale in percent?",
    "Not known: whole tasks are compared. Half a task below a whole number must round up to it",
)
def precision(run):
    """A little above 50 % is 2 of 2 tasks as long as the little is kept: no task is started or stopped by it."""
    service = run.service
    kept = []
    for digits in range(1, 13):
        asked = float(f"50.{'0' * (digits - 1)}1")
        answered = service.scale(service.original, asked)
        wanted, scale = answered["computedDesiredCount"], answered["scale"]["value"]
        if wanted != 2:
            break
        kept.append((asked, scale))
    service.scale(service.original, 100.0)
    exact = [asked for asked, scale in kept if asked == scale]
    if not kept:
        return Answer("50.1 % of 2 tasks is fewer than 2 tasks.", False)
    seen = f"{len(kept)} decimal places count ({kept[-1][0]} % of 2 tasks is 2 tasks)"
    seen += f"; {len(exact)} are answered as they were sent, the last is answered as {kept[-1][1]}."
    return Answer(seen, len(kept) >= 2)


@question(
    "Can a task set above zero tasks be deleted without `force`?",
    "Not known, and never tried; the simulated ECS refuses",
)
def deletion_without_force(run):
    service = run.service
    with spare(run, 50) as task_set:
        service.wait_for_running(task_set, 1)
        error = refused(lambda: run.account.ecs.delete_task_set(**service.of(task_set)))
        after = service.task_set(task_set)
    if error is not None:
        return Answer(f"No: {code_of(error)}: {error.response['Error']['Message']}", True)
    return Answer(f"Yes: the task set was {after['status'] if after else 'gone'} after the call.", False)


@contextlib.contextmanager
def spare(run, scale, **more):
    """A task set without a load balancer, which is deleted at the end."""
    service = run.service
    task_set = service.create_task_set(service.versions[1], scale, **more)
    try:
        yield task_set
    finally:
        service.delete_task_set(task_set)


@question(
    "Does scaling a task set down, or deleting it, respect scale-in protection of its tasks?",
    "Not known; simulated tasks keep running",
)
def protection(run):
    service, ecs = run.service, run.account.ecs
    with spare(run, 50) as task_set:
        service.wait_for_running(task_set, 1)
        [task] = [one["taskArn"] for one in service.running(task_set)]

        def protect(enabled):
            return ecs.update_task_protection(cluster=service.cluster, tasks=[task], protectionEnabled=enabled)

        if failures := protect(True)["failures"]:
            raise NotAsked(f"the task could not be protected: {failures[0].get('reason')}")
        service.scale(task_set, 0.0)
        scaled = stays(run, task, 180)
        kept = [f"after the scale of 0 it {scaled}"]
        survived = "ran on" in scaled
        if survived:
            ecs.delete_task_set(**service.of(task_set, force=True))
            deleted = stays(run, task, 180)
            kept.append(f"after the deletion with `force` it {deleted}")
            survived = "ran on" in deleted
            # A task that has ended cannot be protected or not.
            refused(lambda: protect(False))
            kept.append(f"without protection it {stays(run, task, 180)}")
    return Answer("The protected task: " + "; ".join(kept) + ".", survived)


def stays(run, task, limit):
    """What a task does for so long: runs on, or stops."""
    service, began = run.service, run.account.elapsed()
    while (at := run.account.elapsed() - began) < limit:
        [described] = run.account.ecs.describe_tasks(cluster=service.cluster, tasks=[task])["tasks"]
        if described["desiredStatus"] == "STOPPED":
            return f"was to stop after {seconds(at)}"
        run.account.sleep(5)
    return f"ran on for {seconds(limit)}"


@question(
    "Does the token of a deleted task set create a new one?",
    "Not known; the simulated ECS creates a new one",
)
def token_of_a_deleted_set(run):
    token = f"contract-{run.service.run}"
    with spare(run, 0, clientToken=token) as first:
        run.service.delete_task_set(first)
    with spare(run, 0, clientToken=token) as second:
        again = "a new task set" if second != first else "the deleted one"
    return Answer(f"The call answered {again}.", second != first)


@question(
    "How many task sets can a service have, and what does ECS answer to one more?",
    "5, those being deleted included; `InvalidParameterException` and the words “5 deployments”",
)
def most_task_sets(run):
    service, created = run.service, []
    answer = None
    try:
        while answer is None and len(created) < 10:
            try:
                created.append(service.create_task_set(service.versions[1], 0))
            except botocore.exceptions.ClientError as error:
                if is_trouble(error):
                    raise
                answer = error
    finally:
        for task_set in created:
            run.account.ecs.delete_task_set(**service.of(task_set, force=True))
    for task_set in created:
        run.account.until("a task set is gone", lambda one=task_set: not service.task_set(one), 300)
    if answer is None:
        return Answer(f"{len(created) + 1} were created and none was refused.", False)
    message = answer.response["Error"]["Message"]
    fits = (len(created), code_of(answer)) == (4, "InvalidParameterException") and "5 deployments" in message
    return Answer(f"After {len(created) + 1}: {code_of(answer)}: {message}", fits)


@question(
    "Does ECS count a task as running while its target is being deregistered? How long does that take?",
    "The simulated ECS counts it. A Network Load Balancer takes 2 to 5 minutes, even if the delay is shorter",
)
def running_while_draining(run):
    service = run.service
    group = service.groups[0]
    service.wait_for_healthy(group, 2)
    service.scale(service.original, 50.0)
    counted, began, ended = [], None, None
    at = run.account.elapsed()
    while ended is None and run.account.elapsed() - at < 900:
        # The count between two readings of the targets: it belongs to a time at which one was draining.
        before = "draining" in service.states(group).values()
        running = service.task_set(service.original)["runningCount"]
        after = "draining" in service.states(group).values()
        if before and after:
            began = run.account.elapsed() if began is None else began
            counted.append(running)
        if began is not None and not after:
            ended = run.account.elapsed()
        run.account.sleep(5)
    if not counted:
        raise NotAsked("no target was seen to drain")
    takes = seconds(ended - began) if ended else "more than 900 s"
    twos, ones = counted.count(2), counted.count(1)
    seen = f"While one of 2 targets drained ({takes}), runningCount was 2 in {twos} and 1 in {ones} of {len(counted)} readings."
    return Answer(seen, twos == len(counted) and ended is not None and 100 <= ended - began <= 330)


@question(
    "Do events of the service name the task set that they are about?",
    "As `taskSet ecs-svc/…`",
)
def events_name_the_task_set(run):
    messages = run.service.events()
    if not messages:
        raise NotAsked("the service has no events")
    named = [message for message in messages if "taskSet ecs-svc/" in message]
    example = (named or messages)[0]
    return Answer(f"{len(named)} of {len(messages)} do, for example: {example}", bool(named))
