"""Finds what runs have created, by its tag, and removes it.

A run uses this at its end, however it ends, and so does `clean` after one that could not: what it has noted of its
resources is not relied on.
"""

import collections

import botocore.exceptions
from account import NAME, TAG, NotAsked, code_of, is_expired, refused

# In the order of removal.
KINDS = [
    "service", "load balancer", "target group", "task definition", "cluster", "security group", "state machine", "role",
]  # fmt: skip
# What is still in use for a while after its user is gone: network interfaces, above all.
IN_USE = {
    "ResourceInUse", "DependencyViolation", "ClusterContainsServicesException", "ClusterContainsTasksException",
    "UpdateInProgressException", "DeleteConflict",
}  # fmt: skip

Found = collections.namedtuple("Found", "kind name run")


def find(account, run=None):
    """Everything that has the tag, of one run or of all; and by kind, why others could not be listed."""
    found, unlisted = [], {}
    for kind in KINDS:
        try:
            found += [one for one in FINDERS[kind](account) if one.run is not None and run in (None, one.run)]
        except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
            unlisted[kind] = error
    return found, unlisted


def value(tags):
    """Of the tag, in either of AWS's spellings."""
    for tag in tags:
        if tag.get("Key", tag.get("key")) == TAG:
            return tag.get("Value", tag.get("value"))
    return None


def pages(client, operation, key, **arguments):
    for page in client.get_paginator(operation).paginate(**arguments):
        yield from page[key]


def batches(items, size):
    items = list(items)
    return (items[start : start + size] for start in range(0, len(items), size))


def clusters(account):
    for arns in batches(pages(account.ecs, "list_clusters", "clusterArns"), 100):
        for one in account.ecs.describe_clusters(clusters=arns, include=["TAGS"])["clusters"]:
            if one["status"] == "ACTIVE":
                yield Found("cluster", one["clusterArn"], value(one["tags"]))


def services(account):
    """Those of our clusters: a cluster of ours has no others."""
    for cluster in clusters(account):
        if cluster.run is not None:
            for arn in pages(account.ecs, "list_services", "serviceArns", cluster=cluster.name):
                yield Found("service", (cluster.name, arn), cluster.run)


def task_definitions(account):
    for status in ("ACTIVE", "INACTIVE"):
        listed = pages(account.ecs, "list_task_definitions", "taskDefinitionArns", familyPrefix=NAME, status=status)
        for arn in listed:
            described = account.ecs.describe_task_definition(taskDefinition=arn, include=["TAGS"])
            if described["taskDefinition"]["status"] == status:
                yield Found("task definition", arn, value(described.get("tags", [])))


def of_load_balancing(kind, operation, key, arn):
    def found(account):
        arns = [one[arn] for one in pages(account.elb, operation, key)]
        for batch in batches(arns, 20):
            for one in account.elb.describe_tags(ResourceArns=batch)["TagDescriptions"]:
                yield Found(kind, one["ResourceArn"], value(one["Tags"]))

    return found


def security_groups(account):
    tagged = [{"Name": "tag-key", "Values": [TAG]}]
    for one in pages(account.ec2, "describe_security_groups", "SecurityGroups", Filters=tagged):
        yield Found("security group", one["GroupId"], value(one["Tags"]))


def state_machines(account):
    for one in pages(account.states, "list_state_machines", "stateMachines"):
        if one["name"].startswith(NAME):
            arn = one["stateMachineArn"]
            yield Found("state machine", arn, value(account.states.list_tags_for_resource(resourceArn=arn)["tags"]))


def roles(account):
    for one in pages(account.iam, "list_roles", "Roles", PathPrefix=f"/{NAME}/"):
        tags = account.iam.list_role_tags(RoleName=one["RoleName"])["Tags"]
        yield Found("role", one["RoleName"], value(tags))


FINDERS = {
    "service": services,
    "load balancer": of_load_balancing(
        "load balancer", "describe_load_balancers", "LoadBalancers", "LoadBalancerArn"
    ),
    "target group": of_load_balancing("target group", "describe_target_groups", "TargetGroups", "TargetGroupArn"),
    "task definition": task_definitions,
    "cluster": clusters,
    "security group": security_groups,
    "state machine": state_machines,
    "role": roles,
}


def delete_service(account, name):
    cluster, service = name
    tasks = account.ecs.list_tasks(cluster=cluster, serviceName=service)["taskArns"]
    for batch in batches(tasks, 10):
        # Those that do not run cannot be protected or not.
        refused(lambda batch=batch: account.ecs.update_task_protection(cluster=cluster, tasks=batch, protectionEnabled=False))
    described = account.ecs.describe_services(cluster=cluster, services=[service])["services"]
    if any(one["status"] == "ACTIVE" for one in described):
        account.ecs.delete_service(cluster=cluster, service=service, force=True)


def delete_task_definition(account, arn):
    # Of one that is INACTIVE already, it may be refused.
    refused(lambda: account.ecs.deregister_task_definition(taskDefinition=arn))
    account.ecs.delete_task_definitions(taskDefinitions=[arn])


def delete_state_machine(account, arn):
    running = pages(account.states, "list_executions", "executions", stateMachineArn=arn, statusFilter="RUNNING")
    for execution in list(running):
        account.states.stop_execution(executionArn=execution["executionArn"])
    # With its aliases and versions.
    account.states.delete_state_machine(stateMachineArn=arn)


DELETERS = {
    "service": delete_service,
    "load balancer": lambda account, arn: account.elb.delete_load_balancer(LoadBalancerArn=arn),
    "target group": lambda account, arn: account.elb.delete_target_group(TargetGroupArn=arn),
    "task definition": delete_task_definition,
    "cluster": lambda account, arn: account.ecs.delete_cluster(cluster=arn),
    "security group": lambda account, group: account.ec2.delete_security_group(GroupId=group),
    "state machine": delete_state_machine,
    "role": lambda account, name: account.iam.delete_role(RoleName=name),
}


def remove(account, run, say, minutes=30):
    """Removes everything of a run (of all runs without one), and answers in words what is left when `minutes` are over,
    and what may be left."""
    said, left, unlisted = set(), [], {}

    def gone():
        nonlocal left, unlisted
        left, unlisted = find(account, run)
        for kind, error in unlisted.items():
            # One that was listed and is gone when its tags are read; the network is away; or it is denied.
            if str(error) not in said:
                said.add(str(error))
                say(f"finding each {kind}: {error}")
        if len(unlisted) == len(KINDS) and all(map(is_expired, unlisted.values())):
            raise NotAsked("the credentials are not valid any more")
        # A load balancer costs most. A service that drains is not listed, and what it uses cannot be deleted until its
        # tasks are gone.
        waits = any(one.kind == "service" for one in left)
        for one in left:
            if waits and one.kind not in ("service", "load balancer"):
                continue
            if one not in said:
                said.add(one)
                say(f"removing {describe(one)}")
            try:
                DELETERS[one.kind](account, one.name)
            except botocore.exceptions.ClientError as error:
                # It is gone already, or its turn comes when what uses it is gone.
                if code_of(error) not in IN_USE and "NotFound" not in code_of(error):
                    say(f"{describe(one)}: {error}")
            except botocore.exceptions.BotoCoreError as error:
                say(f"{describe(one)}: {error}")
        return not left and not unlisted

    account.hours = float("inf")
    try:
        account.until("everything is gone", gone, minutes * 60, every=10)
    except NotAsked as error:
        say(str(error))
    return [*map(describe, left), *(f"perhaps some {kind} (they could not be listed)" for kind in unlisted)]


def describe(found):
    name = found.name[-1] if isinstance(found.name, tuple) else found.name
    return f"{found.kind} {name}"
