"""boto3 reads what the simulated AWS answers: every operation, and every refusal it can give.

The simulated AWS is the one at EBBTIDE_ENDPOINT, or one that is started here.
Every test builds what it needs under names of its own, so the world may hold anything else.
"""

import datetime
import itertools
import json
import os
import re
import time
import xml.etree.ElementTree as ElementTree
from functools import cached_property

import boto3
import botocore.config
import botocore.exceptions
import cbor2
import pytest
import urllib3

import stack

NUMBERS = itertools.count(int(time.time() * 1000) % 10_000_000)
SUBNETS = ["subnet-0000000000000000a", "subnet-0000000000000000b"]
TABLE = f"e2e-locks-{next(NUMBERS)}"
# Answered for parameters that no operation's model has an error for; documented as common errors.
COMMON_ERRORS = {"ValidationError", "ValidationException"}


@pytest.fixture(scope="session")
def aws_endpoint(tmp_path_factory):
    if endpoint := os.environ.get("EBBTIDE_ENDPOINT"):
        yield endpoint
        return
    with stack.simulated_aws(tmp_path_factory.mktemp("serve") / "log", speed=1) as endpoint:
        yield endpoint


def connect(service, endpoint, unfit):
    client = boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="simulated",
        aws_secret_access_key="simulated",
        config=botocore.config.Config(retries={"total_max_attempts": 1}, parameter_validation=False),
    )

    def compare(http_response, model, **_):
        if http_response.status_code == 200 and model.output_shape is not None:
            unfit.extend(f"{model.name}: {fault}" for fault in unknown_members(http_response, model))

    client.meta.events.register("after-call", compare)
    return client


def unknown_members(http_response, model):
    """What an answer has that its model has not: boto3 would drop it without a word."""
    shape = model.output_shape
    if "cbor" in http_response.headers["content-type"]:
        return list(unknown_json(cbor2.loads(http_response.content), shape, ""))
    if "x-amzn-requestid" in http_response.headers and "json" in http_response.headers["content-type"]:
        return list(unknown_json(json.loads(http_response.content), shape, ""))
    root = ElementTree.fromstring(http_response.content)
    wrapper = shape.serialization["resultWrapper"]
    names = [local(child) for child in root]
    if names != [wrapper, "ResponseMetadata"]:
        return [f"the answer holds {names}"]
    return list(unknown_xml(root[0], shape, wrapper))


def unknown_json(value, shape, place):
    if shape.type_name == "structure":
        for name, member in value.items():
            if name in shape.members:
                yield from unknown_json(member, shape.members[name], f"{place}.{name}")
            else:
                yield f"{place}.{name}"
    elif shape.type_name == "list":
        for item in value:
            yield from unknown_json(item, shape.member, f"{place}[]")


def unknown_xml(element, shape, place):
    if shape.type_name == "structure":
        for child in element:
            if local(child) in shape.members:
                yield from unknown_xml(child, shape.members[local(child)], f"{place}.{local(child)}")
            else:
                yield f"{place}.{local(child)}"
    elif shape.type_name == "list":
        for child in element:
            if local(child) != "member":
                yield f"{place}.{local(child)}"
            yield from unknown_xml(child, shape.member, f"{place}[]")


def local(element):
    return element.tag.rsplit("}", 1)[-1]


# What boto3 calls them, where it is another name.
CLIENTS = {"elb": "elbv2", "autoscaling": "application-autoscaling"}


class World:
    """An account's clients, and what a test builds with them, once, when it asks for it."""

    def __init__(self, endpoint, unfit):
        for service in OPERATIONS:
            setattr(self, service, connect(CLIENTS.get(service, service), endpoint, unfit))
        self.name = f"e2e-{next(NUMBERS)}"

    @cached_property
    def cluster(self):
        return self.ecs.create_cluster(clusterName=self.name)["cluster"]["clusterName"]

    @cached_property
    def task_definition(self):
        return self.register()["taskDefinition"]["taskDefinitionArn"]

    def register(self, **more):
        request = {
            "family": self.name,
            "containerDefinitions": [
                {"name": "web", "image": "web", "portMappings": [{"containerPort": 8080}], "logConfiguration": {"logDriver": "awslogs"}}
            ],
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "cpu": "256",
            "memory": "512",
            "tags": [{"key": "team", "value": "e2e"}],
        }
        return self.ecs.register_task_definition(**{**request, **more})

    def create_service(self, **more):
        request = {
            "cluster": self.cluster,
            "serviceName": self.name,
            "desiredCount": 2,
            "deploymentController": {"type": "EXTERNAL"},
            "tags": [{"key": "team", "value": "e2e"}],
        }
        return self.ecs.create_service(**{**request, **more})["service"]

    @cached_property
    def service(self):
        return self.create_service()["serviceName"]

    def of_service(self, **more):
        return {"cluster": self.cluster, "service": self.service, **more}

    def create_task_set(self, **more):
        request = {
            "taskDefinition": self.task_definition,
            "launchType": "FARGATE",
            "networkConfiguration": {"awsvpcConfiguration": {"subnets": SUBNETS, "securityGroups": ["sg-1"]}},
            "loadBalancers": [{"targetGroupArn": self.group_in_use, "containerName": "web", "containerPort": 8080}],
            "tags": [{"key": "team", "value": "e2e"}],
        }
        return self.ecs.create_task_set(**self.of_service(**{**request, **more}))["taskSet"]

    @cached_property
    def task_set(self):
        return self.create_task_set()["id"]

    @property
    def task(self):
        """A task of the task set: ECS's scheduler takes a few seconds to create it."""
        for _ in range(100):
            found = self.ecs.list_tasks(cluster=self.cluster, startedBy=self.task_set)["taskArns"]
            if found:
                return found[0]
            time.sleep(0.2)
        pytest.fail("no task was created")

    @cached_property
    def load_balancer(self):
        return self.create_load_balancer("network", self.name)

    @cached_property
    def alb(self):
        return self.create_load_balancer("application", f"{self.name}-alb")

    def create_load_balancer(self, kind, name):
        request = {"Name": name, "Type": kind, "Subnets": SUBNETS, "Tags": [{"Key": "team", "Value": "e2e"}]}
        return self.elb.create_load_balancer(**request)["LoadBalancers"][0]["LoadBalancerArn"]

    def create_group(self, name, **more):
        request = {"Name": name, "Protocol": "TCP", "Port": 8080, "VpcId": "vpc-1", "TargetType": "ip"}
        return self.elb.create_target_group(**{**request, **more})["TargetGroups"][0]["TargetGroupArn"]

    @cached_property
    def group(self):
        return self.create_group(self.name)

    @cached_property
    def http_group(self):
        return self.create_group(f"{self.name}-http", Protocol="HTTP")

    @property
    def group_in_use(self):
        self.listener
        return self.group

    @cached_property
    def listener(self):
        return self.create_listener()

    def create_listener(self, **more):
        request = {"LoadBalancerArn": self.load_balancer, "Protocol": "TCP", "Port": 80, "DefaultActions": forward(self.group)}
        return self.elb.create_listener(**{**request, **more})["Listeners"][0]["ListenerArn"]

    @cached_property
    def alb_listener(self):
        return self.create_listener(LoadBalancerArn=self.alb, Protocol="HTTP", DefaultActions=forward(self.http_group))

    @cached_property
    def rule(self):
        return self.create_rule()["Rules"][0]["RuleArn"]

    def create_rule(self, **more):
        conditions = [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/a/*"]}}]
        request = {"ListenerArn": self.alb_listener, "Priority": 7, "Conditions": conditions, "Actions": forward(self.http_group)}
        return self.elb.create_rule(**{**request, **more})

    @property
    def table(self):
        """One for all tests, each of which has a key of its own: a table takes seconds to be active."""
        try:
            self.dynamodb.describe_table(TableName=TABLE)
        except self.dynamodb.exceptions.ResourceNotFoundException:
            self.create_table(TABLE)
            self.dynamodb.get_waiter("table_exists").wait(TableName=TABLE, WaiterConfig={"Delay": 1})
        return TABLE

    def create_table(self, name, **more):
        request = {
            "TableName": name,
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
        }
        return self.dynamodb.create_table(**{**request, **more})["TableDescription"]

    @property
    def key(self):
        return {"id": {"S": self.name}}

    def of_item(self, **more):
        return {"TableName": self.table, "Key": self.key, **more}

    def acquire(self, owner, **more):
        """Takes a lock, as a function does."""
        request = {
            "ConditionExpression": "attribute_not_exists(#owner) OR #owner = :me",
            "UpdateExpression": "SET #owner = :me ADD fence :one",
            "ExpressionAttributeNames": {"#owner": "owner"},
            "ExpressionAttributeValues": {":me": {"S": owner}, ":one": {"N": "1"}},
            "ReturnValues": "ALL_NEW",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        return self.dynamodb.update_item(**self.of_item(**{**request, **more}))["Attributes"]

    def item(self):
        return self.dynamodb.get_item(**self.of_item(ConsistentRead=True)).get("Item")

    @cached_property
    def of_target(self):
        """A service that is a scalable target."""
        target = {
            "ServiceNamespace": "ecs",
            "ResourceId": f"service/{self.cluster}/{self.service}",
            "ScalableDimension": "ecs:service:DesiredCount",
        }
        self.autoscaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=9)
        return target

    @property
    def scalable_target(self):
        """As it is described, among others."""
        mine = self.of_target["ResourceId"]
        pages = self.autoscaling.get_paginator("describe_scalable_targets").paginate(ServiceNamespace="ecs")
        return next(one for page in pages for one in page["ScalableTargets"] if one["ResourceId"] == mine)

    @cached_property
    def namespace(self):
        self.servicediscovery.create_private_dns_namespace(Name=self.name, Vpc="vpc-1")
        pages = self.servicediscovery.get_paginator("list_namespaces").paginate()
        return next(one["Id"] for page in pages for one in page["Namespaces"] if one["Name"] == self.name)

    def create_registry(self, **more):
        request = {
            "Name": self.name,
            "NamespaceId": self.namespace,
            "DnsConfig": {"RoutingPolicy": "MULTIVALUE", "DnsRecords": [{"Type": "A", "TTL": 60}]},
            "HealthCheckCustomConfig": {"FailureThreshold": 1},
        }
        return self.servicediscovery.create_service(**{**request, **more})["Service"]

    @cached_property
    def registry(self):
        return self.create_registry()["Id"]

    def register_instance(self, name="a", **more):
        request = {"ServiceId": self.registry, "InstanceId": name, "Attributes": {"AWS_INSTANCE_IPV4": "10.9.9.9"}}
        return self.servicediscovery.register_instance(**{**request, **more})["OperationId"]

    @cached_property
    def of_instance(self):
        self.register_instance()
        return {"ServiceId": self.registry, "InstanceId": "a"}

    @property
    def default_rule(self):
        rules = self.elb.describe_rules(ListenerArn=self.alb_listener)["Rules"]
        return next(rule["RuleArn"] for rule in rules if rule["IsDefault"])


def forward(*groups):
    weighted = [{"TargetGroupArn": group, "Weight": 1} for group in groups]
    return [{"Type": "forward", "ForwardConfig": {"TargetGroups": weighted}}]


@pytest.fixture
def world(aws_endpoint):
    unfit = []
    yield World(aws_endpoint, unfit)
    assert unfit == [], "members that the model does not have"


# One entry an operation: what is asked, and something of the answer that shows it was understood.
ECS = {
    "CreateCluster": lambda w: w.ecs.create_cluster(clusterName=w.name)["cluster"]["status"] == "ACTIVE",
    "DescribeClusters": lambda w: [
        (one["clusterName"], one["status"], one["tags"]) for one in w.ecs.describe_clusters(clusters=[w.cluster], include=["TAGS"])["clusters"]
    ]
    == [(w.name, "ACTIVE", [])],
    "ListClusters": lambda w: w.cluster
    in [arn.split("/")[-1] for page in w.ecs.get_paginator("list_clusters").paginate() for arn in page["clusterArns"]],
    "DeleteCluster": lambda w: w.ecs.delete_cluster(cluster=w.cluster)["cluster"]["status"] == "INACTIVE",
    "RegisterTaskDefinition": lambda w: [w.register()["taskDefinition"]["revision"] for _ in "ab"] == [1, 2],
    "DescribeTaskDefinition": lambda w: w.ecs.describe_task_definition(taskDefinition=w.task_definition, include=["TAGS"])["tags"]
    == [{"key": "team", "value": "e2e"}],
    "DeregisterTaskDefinition": lambda w: w.ecs.deregister_task_definition(taskDefinition=w.task_definition)["taskDefinition"]["status"]
    == "INACTIVE",
    "DeleteTaskDefinitions": lambda w: inactive(w)
    or [one["taskDefinitionArn"] for one in w.ecs.delete_task_definitions(taskDefinitions=[w.task_definition])["taskDefinitions"]]
    == [w.task_definition],
    "ListTaskDefinitions": lambda w: [w.task_definition] == w.ecs.list_task_definitions(familyPrefix=w.name)["taskDefinitionArns"],
    "CreateService": lambda w: w.create_service()["deploymentController"] == {"type": "EXTERNAL"},
    "DescribeServices": lambda w: w.ecs.describe_services(cluster=w.cluster, services=[w.service], include=["TAGS"])["services"][0]["createdAt"].year
    >= 2026,
    "ListServices": lambda w: [arn.split("/")[-1] for arn in w.service and w.ecs.list_services(cluster=w.cluster)["serviceArns"]] == [w.service],
    "UpdateService": lambda w: w.ecs.update_service(**w.of_service(desiredCount=3))["service"]["desiredCount"] == 3,
    "DeleteService": lambda w: w.ecs.delete_service(**w.of_service(force=True))["service"]["status"] == "DRAINING",
    "CreateTaskSet": lambda w: w.create_task_set(scale={"value": 50.0, "unit": "PERCENT"})["computedDesiredCount"] == 1,
    "DescribeTaskSets": lambda w: w.ecs.describe_task_sets(**w.of_service(taskSets=[w.task_set], include=["TAGS"]))["taskSets"][0]["tags"]
    == [{"key": "team", "value": "e2e"}],
    "UpdateTaskSet": lambda w: w.ecs.update_task_set(**w.of_service(taskSet=w.task_set, scale={"value": 12.5, "unit": "PERCENT"}))["taskSet"]["scale"]
    == {"value": 12.5, "unit": "PERCENT"},
    "DeleteTaskSet": lambda w: w.ecs.delete_task_set(**w.of_service(taskSet=w.task_set, force=True))["taskSet"]["status"] == "DRAINING",
    "UpdateServicePrimaryTaskSet": lambda w: w.ecs.update_service_primary_task_set(**w.of_service(primaryTaskSet=w.task_set))["taskSet"]["status"]
    == "PRIMARY",
    "ListTasks": lambda w: w.cluster in w.task,
    "DescribeTasks": lambda w: w.ecs.describe_tasks(cluster=w.cluster, tasks=[w.task], include=["TAGS"])["tasks"][0]["startedBy"] == w.task_set,
    "UpdateTaskProtection": lambda w: [
        [one["protectionEnabled"] for one in w.ecs.update_task_protection(cluster=w.cluster, tasks=[w.task, "x"], protectionEnabled=on)["protectedTasks"]]
        for on in (True, False)
    ]
    == [[True], [False]],
    "StopTask": lambda w: w.ecs.stop_task(cluster=w.cluster, task=w.task, reason="e2e")["task"]["stoppedReason"] == "e2e",
}

ELB = {
    "CreateLoadBalancer": lambda w: ":loadbalancer/net/" in w.load_balancer and ":loadbalancer/app/" in w.alb,
    "DescribeLoadBalancers": lambda w: w.elb.describe_load_balancers(LoadBalancerArns=[w.load_balancer])["LoadBalancers"][0]["CreatedTime"].year >= 2026,
    "DescribeLoadBalancerAttributes": lambda w: {"Key": "load_balancing.cross_zone.enabled", "Value": "false"}
    in w.elb.describe_load_balancer_attributes(LoadBalancerArn=w.load_balancer)["Attributes"],
    "ModifyLoadBalancerAttributes": lambda w: {"Key": "load_balancing.cross_zone.enabled", "Value": "true"}
    in w.elb.modify_load_balancer_attributes(
        LoadBalancerArn=w.load_balancer, Attributes=[{"Key": "load_balancing.cross_zone.enabled", "Value": "true"}]
    )["Attributes"],
    "SetIpAddressType": lambda w: w.elb.set_ip_address_type(LoadBalancerArn=w.load_balancer, IpAddressType="dualstack")["IpAddressType"]
    == "dualstack",
    "DeleteLoadBalancer": lambda w: w.listener and [w.elb.delete_load_balancer(LoadBalancerArn=w.load_balancer) for _ in "ab"]
    # Its listeners go with it: nothing uses their group any more.
    and w.elb.describe_target_groups(TargetGroupArns=[w.group])["TargetGroups"][0]["LoadBalancerArns"] == [],
    "CreateTargetGroup": lambda w: ":targetgroup/" in w.group and w.http_group != w.group,
    "DescribeTargetGroups": lambda w: w.elb.describe_target_groups(TargetGroupArns=[w.group_in_use])["TargetGroups"][0]["LoadBalancerArns"]
    == [w.load_balancer],
    "DescribeTargetGroupAttributes": lambda w: {"Key": "deregistration_delay.timeout_seconds", "Value": "300"}
    in w.elb.describe_target_group_attributes(TargetGroupArn=w.group)["Attributes"],
    "ModifyTargetGroupAttributes": lambda w: {"Key": "deregistration_delay.timeout_seconds", "Value": "60"}
    in w.elb.modify_target_group_attributes(
        TargetGroupArn=w.group, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "60"}]
    )["Attributes"],
    "DeleteTargetGroup": lambda w: w.group
    and [w.elb.delete_target_group(TargetGroupArn=w.group)["ResponseMetadata"]["HTTPStatusCode"] for _ in "ab"] == [200, 200],
    "DescribeTargetHealth": lambda w: w.elb.describe_target_health(TargetGroupArn=w.group, Targets=[{"Id": "10.0.0.1"}])["TargetHealthDescriptions"][0][
        "TargetHealth"
    ]["Reason"]
    == "Target.NotRegistered",
    "RegisterTargets": lambda w: w.elb.register_targets(TargetGroupArn=w.group, Targets=[{"Id": "10.0.0.1"}])
    and w.elb.describe_target_health(TargetGroupArn=w.group)["TargetHealthDescriptions"][0]["TargetHealth"]["Reason"] == "Target.NotInUse",
    "DeregisterTargets": lambda w: w.elb.deregister_targets(TargetGroupArn=w.group, Targets=[{"Id": "10.0.0.1"}])["ResponseMetadata"]["HTTPStatusCode"]
    == 200,
    "CreateListener": lambda w: ":listener/net/" in w.listener and ":listener/app/" in w.alb_listener,
    "DescribeListeners": lambda w: w.elb.describe_listeners(ListenerArns=[w.listener])["Listeners"][0]["DefaultActions"][0]["TargetGroupArn"] == w.group,
    "ModifyListener": lambda w: w.elb.modify_listener(ListenerArn=w.listener, Port=81)["Listeners"][0]["Port"] == 81,
    "DeleteListener": lambda w: w.elb.delete_listener(ListenerArn=w.listener)["ResponseMetadata"]["HTTPStatusCode"] == 200,
    "CreateRule": lambda w: ":listener-rule/app/" in w.rule,
    "DescribeRules": lambda w: w.rule and [rule["Priority"] for rule in w.elb.describe_rules(ListenerArn=w.alb_listener)["Rules"]] == ["7", "default"],
    "ModifyRule": lambda w: w.elb.modify_rule(RuleArn=w.rule, Actions=forward(w.http_group))["Rules"][0]["Conditions"][0]["PathPatternConfig"]
    == {"Values": ["/a/*"]},
    "SetRulePriorities": lambda w: w.elb.set_rule_priorities(RulePriorities=[{"RuleArn": w.rule, "Priority": 9}])["Rules"][0]["Priority"] == "9",
    "DeleteRule": lambda w: w.elb.delete_rule(RuleArn=w.rule)["ResponseMetadata"]["HTTPStatusCode"] == 200,
    "AddTags": lambda w: w.elb.add_tags(ResourceArns=[w.group, w.listener], Tags=[{"Key": "k", "Value": "a = b"}])
    and w.elb.describe_tags(ResourceArns=[w.listener])["TagDescriptions"][0]["Tags"] == [{"Key": "k", "Value": "a = b"}],
    "RemoveTags": lambda w: w.elb.remove_tags(ResourceArns=[w.load_balancer], TagKeys=["team"])
    and w.elb.describe_tags(ResourceArns=[w.load_balancer])["TagDescriptions"][0]["Tags"] == [],
    "DescribeTags": lambda w: w.elb.describe_tags(ResourceArns=[w.load_balancer])["TagDescriptions"]
    == [{"ResourceArn": w.load_balancer, "Tags": [{"Key": "team", "Value": "e2e"}]}],
}


DYNAMODB = {
    "CreateTable": lambda w: w.create_table(w.name)["TableStatus"] == "CREATING",
    "DescribeTable": lambda w: w.dynamodb.describe_table(TableName=w.table)["Table"]["CreationDateTime"].year >= 2026,
    "GetItem": lambda w: w.item() is None and w.acquire("a") and w.item() == {**w.key, "owner": {"S": "a"}, "fence": {"N": "1"}},
    "UpdateItem": lambda w: [w.acquire("a")["fence"]["N"] for _ in "ab"] == ["1", "2"],
}


NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
FLOWS = {"Namespace": "AWS/NetworkELB", "MetricName": "NewFlowCount", "Dimensions": [{"Name": "LoadBalancer", "Value": "net/x/0"}]}


def metric_data(w, **more):
    query = {"Id": "flows", "MetricStat": {"Metric": FLOWS, "Period": 60, "Stat": "Sum"}}
    request = {"MetricDataQueries": [query], "StartTime": NOW, "EndTime": NOW + datetime.timedelta(minutes=5)}
    return w.cloudwatch.get_metric_data(**{**request, **more})["MetricDataResults"]


def put_event(w, **more):
    entry = {"Source": "e2e", "DetailType": "Test", "Detail": "{}"}
    return w.events.put_events(Entries=[{**entry, **more}])


CLOUDWATCH = {
    "DescribeAlarms": lambda w: w.cloudwatch.describe_alarms(AlarmNames=["nowhere"])["MetricAlarms"] == [],
    "GetMetricData": lambda w: [(one["Id"], one["Values"]) for one in metric_data(w)] == [("flows", [])],
}

EVENTS = {
    "PutEvents": lambda w: [(answer["FailedEntryCount"], len(answer["Entries"][0]["EventId"])) for answer in [put_event(w)]] == [(0, 36)],
}

AUTO_SCALING = {
    "DescribeScalableTargets": lambda w: w.scalable_target["CreationTime"].year >= 2026,
    "RegisterScalableTarget": lambda w: suspended(w, DynamicScalingInSuspended=True)
    == {"DynamicScalingInSuspended": True, "DynamicScalingOutSuspended": False, "ScheduledScalingSuspended": False},
}


def suspended(w, **state):
    """What is suspended once that was asked for; minimum and maximum stay."""
    w.autoscaling.register_scalable_target(**w.of_target, SuspendedState=state)
    target = w.scalable_target
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 9)
    return target["SuspendedState"]


SERVICEDISCOVERY = {
    "CreatePrivateDnsNamespace": lambda w: w.namespace.startswith("ns-"),
    "ListNamespaces": lambda w: namespaces(w)[w.namespace] == "DNS_PRIVATE",
    "CreateService": lambda w: w.create_registry()["DnsConfig"]["DnsRecords"] == [{"Type": "A", "TTL": 60}],
    "GetService": lambda w: w.servicediscovery.get_service(Id=w.registry)["Service"]["CreateDate"].year >= 2026,
    "ListServices": lambda w: w.registry in registries(w),
    "DeleteService": lambda w: w.servicediscovery.delete_service(Id=w.registry) and w.registry not in registries(w),
    "RegisterInstance": lambda w: operation(w, w.register_instance())["Targets"] == {"INSTANCE": "a", "SERVICE": w.registry},
    "DeregisterInstance": lambda w: operation(w, deregister(w))["Type"] == "DEREGISTER_INSTANCE",
    "GetInstance": lambda w: w.servicediscovery.get_instance(**w.of_instance)["Instance"]["Attributes"]
    == {"AWS_INSTANCE_IPV4": "10.9.9.9"},
    "ListInstances": lambda w: [one["Id"] for one in w.of_instance and w.servicediscovery.list_instances(ServiceId=w.registry)["Instances"]]
    == ["a"],
    "GetInstancesHealthStatus": lambda w: instance_health(w) == {"a": "HEALTHY"},
    "UpdateInstanceCustomHealthStatus": lambda w: w.servicediscovery.update_instance_custom_health_status(**w.of_instance, Status="UNHEALTHY")
    and instance_health(w) == {"a": "UNHEALTHY"},
    "GetOperation": lambda w: operation(w, w.register_instance())["Status"] in ("PENDING", "SUCCESS"),
}


def namespaces(w):
    pages = w.namespace and w.servicediscovery.get_paginator("list_namespaces").paginate()
    return {one["Id"]: one["Type"] for page in pages for one in page["Namespaces"]}


def registries(w):
    return [one["Id"] for page in w.servicediscovery.get_paginator("list_services").paginate() for one in page["Services"]]


def operation(w, number):
    return w.servicediscovery.get_operation(OperationId=number)["Operation"]


def settled(w, number):
    """Waits for an operation of an instance, one of which is allowed at a time."""
    until = time.monotonic() + 60
    while operation(w, number)["Status"] != "SUCCESS":
        assert time.monotonic() < until
        time.sleep(0.2)


def deregister(w):
    settled(w, w.register_instance())
    return w.servicediscovery.deregister_instance(ServiceId=w.registry, InstanceId="a")["OperationId"]


def instance_health(w):
    ids = [w.of_instance["InstanceId"]]
    return w.servicediscovery.get_instances_health_status(ServiceId=w.registry, Instances=ids)["Status"]


OPERATIONS = {
    "ecs": ECS,
    "elb": ELB,
    "dynamodb": DYNAMODB,
    "cloudwatch": CLOUDWATCH,
    "events": EVENTS,
    "servicediscovery": SERVICEDISCOVERY,
    "autoscaling": AUTO_SCALING,
    # An account without executions has no answer to the only one.
    "stepfunctions": {"DescribeExecution": None},
}


@pytest.mark.parametrize(
    ("service", "operation"),
    [(service, operation) for service, calls in OPERATIONS.items() for operation, call in calls.items() if call],
)
def test_an_operation_is_answered(world, service, operation):
    assert OPERATIONS[service][operation](world)


NOWHERE = "arn:aws:elasticloadbalancing:us-east-1:000000000000"
NO_GROUP = f"{NOWHERE}:targetgroup/x/0000000000000000"
NO_BALANCER = f"{NOWHERE}:loadbalancer/net/x/0000000000000000"
NO_LISTENER = f"{NOWHERE}:listener/net/x/0000000000000000/0000000000000000"
NO_RULE = f"{NOWHERE}:listener-rule/app/x/0000000000000000/0000000000000000/0000000000000000"
NO_SET = "ecs-svc/1111111111111111111"
SCALE = {"value": 1.0, "unit": "PERCENT"}


def full(w):
    """A service with as many task sets as it can have."""
    for _ in range(5):
        w.create_task_set()


def inactive(w):
    w.ecs.deregister_task_definition(taskDefinition=w.task_definition)


def network(subnets=1, security_groups=0):
    numbered = {"subnets": [f"subnet-{n}" for n in range(subnets)], "securityGroups": [f"sg-{n}" for n in range(security_groups)]}
    return {"awsvpcConfiguration": numbered}


def draining(w):
    w.ecs.delete_service(**w.of_service(force=True))


def rolling(w):
    """A service that ECS deploys itself."""
    w.service = w.create_service(deploymentController={"type": "ECS"}, taskDefinition=w.task_definition)["serviceName"]


ECS_REFUSALS = [
    ("CreateCluster", "InvalidParameterException", lambda w: w.ecs.create_cluster(clusterName="no spaces")),
    ("DescribeClusters", "InvalidParameterException", lambda w: w.ecs.describe_clusters(clusters=["x"] * 101)),
    ("ListClusters", "InvalidParameterException", lambda w: w.ecs.list_clusters(nextToken="x")),
    ("DeleteCluster", "ClusterNotFoundException", lambda w: w.ecs.delete_cluster(cluster="nowhere")),
    ("DeleteCluster", "ClusterContainsServicesException", lambda w: w.service and w.ecs.delete_cluster(cluster=w.cluster)),
    ("RegisterTaskDefinition", "ClientException", lambda w: w.register(containerDefinitions=[])),
    ("RegisterTaskDefinition", "ClientException", lambda w: w.register(networkMode="bridge")),
    ("RegisterTaskDefinition", "ClientException", lambda w: w.register(containerDefinitions=[{"name": "web"}])),
    ("RegisterTaskDefinition", "ClientException", lambda w: w.ecs.register_task_definition(family=w.name, containerDefinitions=[{"name": "web", "image": "web"}])),
    ("RegisterTaskDefinition", "ClientException", lambda w: w.register(pidMode="host")),
    ("DescribeTaskDefinition", "ClientException", lambda w: w.ecs.describe_task_definition(taskDefinition="nothing:1")),
    ("DeregisterTaskDefinition", "ClientException", lambda w: w.ecs.deregister_task_definition(taskDefinition="nothing:1")),
    ("DeleteTaskDefinitions", "InvalidParameterException", lambda w: w.ecs.delete_task_definitions(taskDefinitions=[w.task_definition])),
    ("ListTaskDefinitions", "InvalidParameterException", lambda w: w.ecs.list_task_definitions(status="LOST")),
    ("CreateService", "ClusterNotFoundException", lambda w: w.create_service(cluster="nowhere")),
    ("CreateService", "InvalidParameterException", lambda w: w.service and w.create_service()),
    ("CreateService", "ClientException", lambda w: w.create_service(monitoring={})),
    ("CreateService", "InvalidParameterException", lambda w: w.create_service(desiredCount=5_001)),
    ("DescribeServices", "ClusterNotFoundException", lambda w: w.ecs.describe_services(cluster="nowhere", services=["x"])),
    ("DescribeServices", "InvalidParameterException", lambda w: w.ecs.describe_services(cluster=w.cluster, services=[])),
    ("ListServices", "ClusterNotFoundException", lambda w: w.ecs.list_services(cluster="nowhere")),
    ("ListServices", "InvalidParameterException", lambda w: w.ecs.list_services(cluster=w.cluster, nextToken="x")),
    ("UpdateService", "ClusterNotFoundException", lambda w: w.ecs.update_service(cluster="nowhere", service="x")),
    ("UpdateService", "ServiceNotFoundException", lambda w: w.ecs.update_service(cluster=w.cluster, service="other")),
    ("UpdateService", "ServiceNotActiveException", lambda w: draining(w) or w.ecs.update_service(**w.of_service(desiredCount=1))),
    ("UpdateService", "InvalidParameterException", lambda w: w.ecs.update_service(**w.of_service(taskDefinition=w.task_definition))),
    ("UpdateService", "InvalidParameterException", lambda w: w.ecs.update_service(**w.of_service(desiredCount=5_001))),
    ("UpdateService", "UnsupportedFeatureException", lambda w: rolling(w) or w.ecs.update_service(**w.of_service(forceNewDeployment=True))),
    ("DeleteService", "ServiceNotFoundException", lambda w: w.ecs.delete_service(cluster=w.cluster, service="other")),
    ("DeleteService", "InvalidParameterException", lambda w: w.ecs.delete_service(**w.of_service())),
    ("DeleteService", "ClusterNotFoundException", lambda w: w.ecs.delete_service(cluster="nowhere", service="x")),
    ("CreateTaskSet", "InvalidParameterException", lambda w: full(w) or w.create_task_set()),
    ("CreateTaskSet", "InvalidParameterException", lambda w: rolling(w) or w.create_task_set()),
    ("CreateTaskSet", "InvalidParameterException", lambda w: w.create_task_set(clientToken="x" * 37)),
    ("CreateTaskSet", "InvalidParameterException", lambda w: w.create_task_set(networkConfiguration=network(subnets=17))),
    ("CreateTaskSet", "InvalidParameterException", lambda w: w.create_task_set(networkConfiguration=network(security_groups=6))),
    ("CreateTaskSet", "ClientException", lambda w: inactive(w) or w.create_task_set()),
    ("CreateTaskSet", "ServiceNotFoundException", lambda w: w.create_task_set(service="other")),
    ("CreateTaskSet", "ServiceNotActiveException", lambda w: draining(w) or w.create_task_set()),
    ("CreateTaskSet", "ClusterNotFoundException", lambda w: w.create_task_set(cluster="nowhere")),
    ("DescribeTaskSets", "InvalidParameterException", lambda w: w.ecs.describe_task_sets(**w.of_service())),
    ("DescribeTaskSets", "ServiceNotFoundException", lambda w: w.ecs.describe_task_sets(cluster=w.cluster, service="x", taskSets=[NO_SET])),
    ("DescribeTaskSets", "ServiceNotActiveException", lambda w: draining(w) or w.ecs.describe_task_sets(**w.of_service(taskSets=[NO_SET]))),
    ("DescribeTaskSets", "ClusterNotFoundException", lambda w: w.ecs.describe_task_sets(cluster="nowhere", service="x")),
    ("UpdateTaskSet", "TaskSetNotFoundException", lambda w: w.ecs.update_task_set(**w.of_service(taskSet=NO_SET, scale=SCALE))),
    ("UpdateTaskSet", "InvalidParameterException", lambda w: w.ecs.update_task_set(**w.of_service(taskSet=NO_SET, scale={"value": 101.0}))),
    ("UpdateTaskSet", "ServiceNotFoundException", lambda w: w.ecs.update_task_set(cluster=w.cluster, service="x", taskSet=NO_SET, scale=SCALE)),
    ("UpdateTaskSet", "ServiceNotActiveException", lambda w: draining(w) or w.ecs.update_task_set(**w.of_service(taskSet=NO_SET, scale=SCALE))),
    ("UpdateTaskSet", "ClusterNotFoundException", lambda w: w.ecs.update_task_set(cluster="nowhere", service="x", taskSet=NO_SET, scale=SCALE)),
    ("DeleteTaskSet", "TaskSetNotFoundException", lambda w: w.ecs.delete_task_set(**w.of_service(taskSet=NO_SET))),
    ("DeleteTaskSet", "InvalidParameterException", lambda w: w.ecs.delete_task_set(**w.of_service(taskSet=w.task_set))),
    ("DeleteTaskSet", "ServiceNotFoundException", lambda w: w.ecs.delete_task_set(cluster=w.cluster, service="x", taskSet=NO_SET)),
    ("DeleteTaskSet", "ServiceNotActiveException", lambda w: draining(w) or w.ecs.delete_task_set(**w.of_service(taskSet=NO_SET))),
    ("DeleteTaskSet", "ClusterNotFoundException", lambda w: w.ecs.delete_task_set(cluster="nowhere", service="x", taskSet=NO_SET)),
    ("UpdateServicePrimaryTaskSet", "TaskSetNotFoundException", lambda w: w.ecs.update_service_primary_task_set(**w.of_service(primaryTaskSet=NO_SET))),
    ("UpdateServicePrimaryTaskSet", "InvalidParameterException", lambda w: w.ecs.update_service_primary_task_set(**w.of_service(primaryTaskSet="x"))),
    ("UpdateServicePrimaryTaskSet", "ServiceNotFoundException", lambda w: w.ecs.update_service_primary_task_set(cluster=w.cluster, service="x", primaryTaskSet=NO_SET)),
    ("UpdateServicePrimaryTaskSet", "ServiceNotActiveException", lambda w: draining(w) or w.ecs.update_service_primary_task_set(**w.of_service(primaryTaskSet=NO_SET))),
    ("UpdateServicePrimaryTaskSet", "ClusterNotFoundException", lambda w: w.ecs.update_service_primary_task_set(cluster="nowhere", service="x", primaryTaskSet=NO_SET)),
    ("ListTasks", "ClusterNotFoundException", lambda w: w.ecs.list_tasks(cluster="nowhere")),
    ("ListTasks", "ServiceNotFoundException", lambda w: w.ecs.list_tasks(cluster=w.cluster, serviceName="other")),
    ("ListTasks", "InvalidParameterException", lambda w: w.ecs.list_tasks(cluster=w.cluster, startedBy="x", family="y")),
    ("DescribeTasks", "ClusterNotFoundException", lambda w: w.ecs.describe_tasks(cluster="nowhere", tasks=["x"])),
    ("DescribeTasks", "InvalidParameterException", lambda w: w.ecs.describe_tasks(cluster=w.cluster, tasks=[])),
    ("UpdateTaskProtection", "ClusterNotFoundException", lambda w: w.ecs.update_task_protection(cluster="nowhere", tasks=["x"], protectionEnabled=True)),
    ("UpdateTaskProtection", "InvalidParameterException", lambda w: w.ecs.update_task_protection(cluster=w.cluster, tasks=["x"], protectionEnabled=True, expiresInMinutes=2881)),
    ("StopTask", "ClusterNotFoundException", lambda w: w.ecs.stop_task(cluster="nowhere", task="x")),
    ("StopTask", "InvalidParameterException", lambda w: w.ecs.stop_task(cluster=w.cluster, task="x")),
]


CERTIFICATES = [{"CertificateArn": "arn:aws:acm:a"}, {"CertificateArn": "arn:aws:acm:b"}]
DURATION = {"Enabled": True, "DurationSeconds": 60}


def sticky(group):
    return [{"Type": "forward", "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": group}], "TargetGroupStickinessConfig": DURATION}}]


def many_tags(key, value):
    return [{key: f"k{number}", value: "v"} for number in range(51)]


def other_group(w):
    return w.create_group(f"{w.name}-udp", Protocol="UDP")


def second_balancer(w):
    return w.listener and w.create_load_balancer("network", f"{w.name}-2")


def protected(w):
    attributes = [{"Key": "deletion_protection.enabled", "Value": "true"}]
    return w.elb.modify_load_balancer_attributes(LoadBalancerArn=w.load_balancer, Attributes=attributes)


def of_alb(w):
    return {"LoadBalancerArn": w.alb, "Protocol": "HTTP"}


def fixed(status, content_type):
    return [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": status, "ContentType": content_type}}]


REDIRECT = [{"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_301"}}]
TWICE = [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]

ELB_REFUSALS = [
    ("CreateLoadBalancer", "DuplicateLoadBalancerName", lambda w: w.load_balancer and w.elb.create_load_balancer(Name=w.name, Subnets=SUBNETS)),
    ("CreateLoadBalancer", "InvalidScheme", lambda w: w.elb.create_load_balancer(Name=w.name, Subnets=SUBNETS, Scheme="secret")),
    ("CreateLoadBalancer", "SubnetNotFound", lambda w: w.elb.create_load_balancer(Name=w.name, Subnets=["x"])),
    ("CreateLoadBalancer", "DuplicateTagKeys", lambda w: w.elb.create_load_balancer(Name=w.name, Subnets=SUBNETS, Tags=TWICE)),
    ("CreateLoadBalancer", "ValidationError", lambda w: w.elb.create_load_balancer(Name="-", Subnets=SUBNETS)),
    ("CreateLoadBalancer", "ValidationError", lambda w: w.elb.create_load_balancer(Name="internal-x", Subnets=SUBNETS)),
    ("CreateLoadBalancer", "ValidationError", lambda w: w.elb.create_load_balancer(Name=w.name, Subnets=SUBNETS[:1])),
    ("DescribeLoadBalancers", "LoadBalancerNotFound", lambda w: w.elb.describe_load_balancers(Names=["other"])),
    ("DescribeLoadBalancerAttributes", "LoadBalancerNotFound", lambda w: w.elb.describe_load_balancer_attributes(LoadBalancerArn=NO_BALANCER)),
    ("ModifyLoadBalancerAttributes", "LoadBalancerNotFound", lambda w: w.elb.modify_load_balancer_attributes(LoadBalancerArn=NO_BALANCER, Attributes=[{"Key": "a", "Value": "b"}])),
    ("ModifyLoadBalancerAttributes", "InvalidConfigurationRequest", lambda w: w.elb.modify_load_balancer_attributes(LoadBalancerArn=w.alb, Attributes=[{"Key": "load_balancing.cross_zone.enabled", "Value": "false"}])),
    ("DeleteLoadBalancer", "OperationNotPermitted", lambda w: protected(w) and w.elb.delete_load_balancer(LoadBalancerArn=w.load_balancer)),
    ("DeleteTargetGroup", "ResourceInUse", lambda w: w.elb.delete_target_group(TargetGroupArn=w.group_in_use)),
    ("CreateTargetGroup", "DuplicateTargetGroupName", lambda w: w.group and w.create_group(w.name, Port=9)),
    ("CreateTargetGroup", "InvalidConfigurationRequest", lambda w: w.create_group(w.name, HealthCheckEnabled=False)),
    ("CreateTargetGroup", "ValidationError", lambda w: w.create_group(w.name, HealthCheckIntervalSeconds=1)),
    ("CreateTargetGroup", "ValidationError", lambda w: w.create_group(w.name, HealthCheckIntervalSeconds=9)),
    ("CreateTargetGroup", "ValidationError", lambda w: w.create_group(w.name, HealthCheckProtocol="UDP")),
    ("CreateTargetGroup", "ValidationError", lambda w: w.create_group(w.name, IpAddressType="dualstack")),
    ("CreateTargetGroup", "ValidationError", lambda w: w.create_group("a--b")),
    ("DescribeTargetGroups", "TargetGroupNotFound", lambda w: w.elb.describe_target_groups(TargetGroupArns=[NO_GROUP])),
    ("DescribeTargetGroups", "TargetGroupNotFound", lambda w: w.elb.describe_target_groups(LoadBalancerArn=w.load_balancer)),
    ("DescribeTargetGroups", "LoadBalancerNotFound", lambda w: w.elb.describe_target_groups(LoadBalancerArn=NO_BALANCER)),
    ("DescribeTargetGroupAttributes", "TargetGroupNotFound", lambda w: w.elb.describe_target_group_attributes(TargetGroupArn=NO_GROUP)),
    ("ModifyTargetGroupAttributes", "TargetGroupNotFound", lambda w: w.elb.modify_target_group_attributes(TargetGroupArn=NO_GROUP, Attributes=[{"Key": "a", "Value": "b"}])),
    ("ModifyTargetGroupAttributes", "ValidationError", lambda w: w.elb.modify_target_group_attributes(TargetGroupArn=w.group, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "3601"}])),
    ("ModifyTargetGroupAttributes", "InvalidConfigurationRequest", lambda w: w.elb.modify_target_group_attributes(TargetGroupArn=w.group, Attributes=[{"Key": "stickiness.type", "Value": "lb_cookie"}])),
    ("RegisterTargets", "TargetGroupNotFound", lambda w: w.elb.register_targets(TargetGroupArn=NO_GROUP, Targets=[{"Id": "10.0.0.1"}])),
    *[
        ("RegisterTargets", "ValidationError", lambda w, target=target: w.elb.register_targets(TargetGroupArn=w.group, Targets=[target]))
        for target in [{"Id": "8.8.8.8", "AvailabilityZone": "all"}, {"Id": "192.168.0.1"}, {"Id": "i-1"}, {"Id": "fd00::1"}]
    ],
    ("DeregisterTargets", "TargetGroupNotFound", lambda w: w.elb.deregister_targets(TargetGroupArn=NO_GROUP, Targets=[{"Id": "10.0.0.1"}])),
    ("DescribeTargetHealth", "TargetGroupNotFound", lambda w: w.elb.describe_target_health(TargetGroupArn=NO_GROUP)),
    ("CreateListener", "DuplicateListener", lambda w: w.listener and w.create_listener()),
    ("CreateListener", "LoadBalancerNotFound", lambda w: w.create_listener(LoadBalancerArn=NO_BALANCER)),
    ("CreateListener", "TargetGroupNotFound", lambda w: w.create_listener(DefaultActions=forward(NO_GROUP))),
    ("CreateListener", "TargetGroupAssociationLimit", lambda w: w.create_listener(LoadBalancerArn=second_balancer(w))),
    ("CreateListener", "IncompatibleProtocols", lambda w: w.create_listener(DefaultActions=forward(other_group(w)))),
    ("CreateListener", "TooManyActions", lambda w: w.create_listener(DefaultActions=forward(w.group) * 2)),
    ("CreateListener", "TooManyCertificates", lambda w: w.create_listener(Protocol="TLS", Certificates=CERTIFICATES)),
    ("CreateListener", "InvalidConfigurationRequest", lambda w: w.create_listener(DefaultActions=sticky(w.group))),
    ("CreateListener", "InvalidLoadBalancerAction", lambda w: w.create_listener(DefaultActions=REDIRECT)),
    ("CreateListener", "InvalidLoadBalancerAction", lambda w: w.create_listener(**of_alb(w), DefaultActions=fixed("200", "text/plane"))),
    ("CreateListener", "ValidationError", lambda w: w.create_listener(**of_alb(w), DefaultActions=fixed("302", "text/html"))),
    ("DescribeListeners", "ListenerNotFound", lambda w: w.elb.describe_listeners(ListenerArns=[NO_LISTENER])),
    ("DescribeListeners", "LoadBalancerNotFound", lambda w: w.elb.describe_listeners(LoadBalancerArn=NO_BALANCER)),
    ("ModifyListener", "ListenerNotFound", lambda w: w.elb.modify_listener(ListenerArn=NO_LISTENER, Port=1)),
    ("ModifyListener", "DuplicateListener", lambda w: w.create_listener(Port=81) and w.elb.modify_listener(ListenerArn=w.listener, Port=81)),
    ("ModifyListener", "TargetGroupNotFound", lambda w: w.elb.modify_listener(ListenerArn=w.listener, DefaultActions=forward(NO_GROUP))),
    ("ModifyListener", "TargetGroupAssociationLimit", lambda w: w.alb_listener and w.elb.modify_listener(ListenerArn=w.create_listener(LoadBalancerArn=w.create_load_balancer("application", f"{w.name}-b"), Protocol="HTTP", DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}]), DefaultActions=forward(w.http_group))),
    ("ModifyListener", "IncompatibleProtocols", lambda w: w.elb.modify_listener(ListenerArn=w.listener, DefaultActions=forward(other_group(w)))),
    ("ModifyListener", "TooManyActions", lambda w: w.elb.modify_listener(ListenerArn=w.listener, DefaultActions=forward(w.group) * 2)),
    ("ModifyListener", "TooManyCertificates", lambda w: w.elb.modify_listener(ListenerArn=w.listener, Protocol="TLS", Certificates=CERTIFICATES)),
    ("ModifyListener", "InvalidConfigurationRequest", lambda w: w.elb.modify_listener(ListenerArn=w.listener, DefaultActions=sticky(w.group))),
    ("ModifyListener", "InvalidLoadBalancerAction", lambda w: w.elb.modify_listener(ListenerArn=w.listener, DefaultActions=REDIRECT)),
    ("DeleteListener", "ListenerNotFound", lambda w: w.elb.delete_listener(ListenerArn=NO_LISTENER)),
    ("CreateRule", "PriorityInUse", lambda w: w.rule and w.create_rule()),
    ("CreateRule", "ListenerNotFound", lambda w: w.create_rule(ListenerArn=NO_LISTENER)),
    ("CreateRule", "TargetGroupNotFound", lambda w: w.create_rule(Actions=forward(NO_GROUP))),
    ("CreateRule", "InvalidConfigurationRequest", lambda w: w.create_rule(ListenerArn=w.listener)),
    ("CreateRule", "TooManyActions", lambda w: w.create_rule(Actions=forward(w.http_group) * 2)),
    ("DescribeRules", "ListenerNotFound", lambda w: w.elb.describe_rules(ListenerArn=NO_LISTENER)),
    ("DescribeRules", "RuleNotFound", lambda w: w.elb.describe_rules(RuleArns=[NO_RULE])),
    ("SetIpAddressType", "LoadBalancerNotFound", lambda w: w.elb.set_ip_address_type(LoadBalancerArn=NO_BALANCER, IpAddressType="dualstack")),
    ("ModifyRule", "RuleNotFound", lambda w: w.elb.modify_rule(RuleArn=NO_RULE, Actions=[])),
    ("ModifyRule", "OperationNotPermitted", lambda w: w.elb.modify_rule(RuleArn=w.default_rule, Actions=forward(w.http_group))),
    ("ModifyRule", "TargetGroupNotFound", lambda w: w.elb.modify_rule(RuleArn=w.rule, Actions=forward(NO_GROUP))),
    ("CreateRule", "TooManyTags", lambda w: w.create_rule(Tags=many_tags("Key", "Value"))),
    ("SetRulePriorities", "RuleNotFound", lambda w: w.elb.set_rule_priorities(RulePriorities=[{"RuleArn": NO_RULE, "Priority": 1}])),
    ("SetRulePriorities", "OperationNotPermitted", lambda w: w.elb.set_rule_priorities(RulePriorities=[{"RuleArn": w.default_rule, "Priority": 1}])),
    ("SetRulePriorities", "PriorityInUse", lambda w: w.rule and w.create_rule(Priority=8) and w.elb.set_rule_priorities(RulePriorities=[{"RuleArn": w.rule, "Priority": 8}])),
    ("DeleteRule", "RuleNotFound", lambda w: w.elb.delete_rule(RuleArn=NO_RULE)),
    ("DeleteRule", "OperationNotPermitted", lambda w: w.elb.delete_rule(RuleArn=w.default_rule)),
    ("AddTags", "DuplicateTagKeys", lambda w: w.elb.add_tags(ResourceArns=[w.group], Tags=TWICE)),
    ("AddTags", "TooManyTags", lambda w: w.elb.add_tags(ResourceArns=[w.group], Tags=many_tags("Key", "Value"))),
    ("AddTags", "ValidationError", lambda w: w.elb.add_tags(ResourceArns=[w.group], Tags=[{"Key": "a", "Value": "b&c"}])),
    *[
        (operation, code, lambda w, call=call, arn=arn: call(w, arn))
        for operation, call in [
            ("AddTags", lambda w, arn: w.elb.add_tags(ResourceArns=[arn], Tags=TWICE[:1])),
            ("RemoveTags", lambda w, arn: w.elb.remove_tags(ResourceArns=[arn], TagKeys=["a"])),
            ("DescribeTags", lambda w, arn: w.elb.describe_tags(ResourceArns=[arn])),
        ]
        for code, arn in [
            ("LoadBalancerNotFound", NO_BALANCER),
            ("TargetGroupNotFound", NO_GROUP),
            ("ListenerNotFound", NO_LISTENER),
            ("RuleNotFound", NO_RULE),
        ]
    ],
    ("DescribeTags", "ValidationError", lambda w: w.elb.describe_tags(ResourceArns=[w.group] * 21)),
]


def nested(brackets):
    return "(#owner = :me OR " * brackets + "#owner = :me" + ")" * brackets


DYNAMODB_REFUSALS = [
    ("CreateTable", "ResourceInUseException", lambda w: w.create_table(w.table)),
    ("DescribeTable", "ResourceNotFoundException", lambda w: w.dynamodb.describe_table(TableName="nowhere")),
    ("GetItem", "ResourceNotFoundException", lambda w: w.dynamodb.get_item(TableName="nowhere", Key=w.key)),
    ("GetItem", "ValidationException", lambda w: w.dynamodb.get_item(TableName=w.table, Key={"name": {"S": "a"}})),
    ("GetItem", "ValidationException", lambda w: w.dynamodb.get_item(**w.of_item(ProjectionExpression="fence"))),
    ("UpdateItem", "ConditionalCheckFailedException", lambda w: w.acquire("a") and w.acquire("b")),
    ("UpdateItem", "ValidationException", lambda w: w.acquire("a", ConditionExpression="owner = :me")),
    ("UpdateItem", "ValidationException", lambda w: w.acquire("a", ConditionExpression=nested(100))),
    ("UpdateItem", "ValidationException", lambda w: w.acquire("a", ConditionExpression=nested(100_000))),
    ("UpdateItem", "ValidationException", lambda w: w.acquire("a", UpdateExpression="SET #owner = :me")),
]


NO_EXECUTION = "arn:aws:states:us-east-1:000000000000:execution:x:y"

CLOUDWATCH_REFUSALS = [
    ("DescribeAlarms", "ValidationError", lambda w: w.cloudwatch.describe_alarms(AlarmNames=["a"] * 101)),
    ("GetMetricData", "ValidationError", lambda w: metric_data(w, StartTime=NOW, EndTime=NOW)),
]
EVENTS_REFUSALS = [("PutEvents", "ValidationException", lambda w: w.events.put_events(Entries=[]))]
AUTO_SCALING_REFUSALS = [
    ("DescribeScalableTargets", "ValidationException", lambda w: w.autoscaling.describe_scalable_targets(ServiceNamespace="dynamodb")),
    (
        "DescribeScalableTargets",
        "InvalidNextTokenException",
        lambda w: w.autoscaling.describe_scalable_targets(ServiceNamespace="ecs", NextToken="x"),
    ),
    (
        "RegisterScalableTarget",
        "ValidationException",
        lambda w: w.autoscaling.register_scalable_target(**{**w.of_target, "ResourceId": f"service/{w.cluster}/none"}),
    ),
    ("RegisterScalableTarget", "ValidationException", lambda w: w.autoscaling.register_scalable_target(**w.of_target, MinCapacity=10)),
    # A target that is new needs both.
    (
        "RegisterScalableTarget",
        "ValidationException",
        lambda w: w.autoscaling.register_scalable_target(
            ServiceNamespace="ecs",
            ResourceId=f"service/{w.cluster}/{w.service}",
            ScalableDimension="ecs:service:DesiredCount",
            SuspendedState={"DynamicScalingInSuspended": True},
        ),
    ),
]
NO_REGISTRY = "srv-0000000000000000"
SERVICEDISCOVERY_REFUSALS = [
    ("CreatePrivateDnsNamespace", "InvalidInput", lambda w: w.servicediscovery.create_private_dns_namespace(Name="a b", Vpc="vpc-1")),
    (
        "CreatePrivateDnsNamespace",
        "NamespaceAlreadyExists",
        lambda w: w.namespace and w.servicediscovery.create_private_dns_namespace(Name=w.name, Vpc="vpc-1"),
    ),
    ("ListNamespaces", "InvalidInput", lambda w: w.servicediscovery.list_namespaces(NextToken="x")),
    ("CreateService", "InvalidInput", lambda w: w.create_registry(Name="no spaces")),
    ("CreateService", "NamespaceNotFound", lambda w: w.create_registry(NamespaceId="ns-0")),
    ("CreateService", "ServiceAlreadyExists", lambda w: w.registry and w.create_registry()),
    ("GetService", "ServiceNotFound", lambda w: w.servicediscovery.get_service(Id=NO_REGISTRY)),
    ("ListServices", "InvalidInput", lambda w: w.servicediscovery.list_services(MaxResults=101)),
    ("DeleteService", "ServiceNotFound", lambda w: w.servicediscovery.delete_service(Id=NO_REGISTRY)),
    ("DeleteService", "ResourceInUse", lambda w: w.of_instance and w.servicediscovery.delete_service(Id=w.registry)),
    ("RegisterInstance", "InvalidInput", lambda w: w.register_instance("no spaces")),
    ("RegisterInstance", "InvalidInput", lambda w: w.register_instance(Attributes={})),
    ("RegisterInstance", "ServiceNotFound", lambda w: w.register_instance(ServiceId=NO_REGISTRY)),
    ("RegisterInstance", "DuplicateRequest", lambda w: w.register_instance() and w.register_instance()),
    ("DeregisterInstance", "ServiceNotFound", lambda w: w.servicediscovery.deregister_instance(ServiceId=NO_REGISTRY, InstanceId="a")),
    ("DeregisterInstance", "InstanceNotFound", lambda w: w.servicediscovery.deregister_instance(ServiceId=w.registry, InstanceId="a")),
    ("DeregisterInstance", "DuplicateRequest", lambda w: w.servicediscovery.deregister_instance(**w.of_instance)),
    ("GetInstance", "InstanceNotFound", lambda w: w.servicediscovery.get_instance(ServiceId=w.registry, InstanceId="a")),
    ("GetInstance", "ServiceNotFound", lambda w: w.servicediscovery.get_instance(ServiceId=NO_REGISTRY, InstanceId="a")),
    ("ListInstances", "ServiceNotFound", lambda w: w.servicediscovery.list_instances(ServiceId=NO_REGISTRY)),
    ("ListInstances", "InvalidInput", lambda w: w.servicediscovery.list_instances(ServiceId=w.registry, NextToken="x")),
    ("GetInstancesHealthStatus", "ServiceNotFound", lambda w: w.servicediscovery.get_instances_health_status(ServiceId=NO_REGISTRY)),
    (
        "GetInstancesHealthStatus",
        "InstanceNotFound",
        lambda w: w.servicediscovery.get_instances_health_status(ServiceId=w.registry, Instances=["a"]),
    ),
    ("GetInstancesHealthStatus", "InvalidInput", lambda w: w.servicediscovery.get_instances_health_status(ServiceId=w.registry, MaxResults=0)),
    ("UpdateInstanceCustomHealthStatus", "InstanceNotFound", lambda w: set_health(w, InstanceId="b")),
    ("UpdateInstanceCustomHealthStatus", "ServiceNotFound", lambda w: set_health(w, ServiceId=NO_REGISTRY)),
    ("UpdateInstanceCustomHealthStatus", "InvalidInput", lambda w: set_health(w, Status="SICK")),
    ("UpdateInstanceCustomHealthStatus", "CustomHealthNotFound", lambda w: without_health(w) and set_health(w)),
    ("GetOperation", "OperationNotFound", lambda w: operation(w, "x")),
]


def set_health(w, **more):
    request = {**w.of_instance, "Status": "UNHEALTHY", **more}
    return w.servicediscovery.update_instance_custom_health_status(**request)


def without_health(w):
    """A registry whose instances have no custom health."""
    dns = {"DnsRecords": [{"Type": "A", "TTL": 60}]}
    service = w.servicediscovery.create_service(Name=w.name, NamespaceId=w.namespace, DnsConfig=dns)["Service"]
    w.registry = service["Id"]
    return service


STEPFUNCTIONS_REFUSALS = [
    ("DescribeExecution", "ExecutionDoesNotExist", lambda w: w.stepfunctions.describe_execution(executionArn=NO_EXECUTION)),
    ("DescribeExecution", "InvalidArn", lambda w: w.stepfunctions.describe_execution(executionArn="x")),
]


REFUSALS = {
    "ecs": ECS_REFUSALS,
    "elb": ELB_REFUSALS,
    "dynamodb": DYNAMODB_REFUSALS,
    "cloudwatch": CLOUDWATCH_REFUSALS,
    "events": EVENTS_REFUSALS,
    "servicediscovery": SERVICEDISCOVERY_REFUSALS,
    "autoscaling": AUTO_SCALING_REFUSALS,
    "stepfunctions": STEPFUNCTIONS_REFUSALS,
}


@pytest.mark.parametrize(
    ("service", "operation", "code", "call"),
    [(service, *refusal) for service, refusals in REFUSALS.items() for refusal in refusals],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_operation_refuses(world, service, operation, code, call):
    model = getattr(world, service).meta.service_model.operation_model(operation)
    modelled = {shape.error_code for shape in model.error_shapes}
    assert code in modelled | COMMON_ERRORS, f"{operation} has no {code} in its model"
    with pytest.raises(botocore.exceptions.ClientError) as refusal:
        call(world)
    assert refusal.value.operation_name == operation
    assert refusal.value.response["Error"]["Code"] == code, refusal.value
    assert refusal.value.response["Error"]["Message"]
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_parameter_that_is_nested_a_million_times_is_refused(aws_endpoint):
    name = ".".join(["a"] * 1_000_000)
    answer = urllib3.request("POST", aws_endpoint, body=f"Action=DescribeTags&{name}=b")
    assert (answer.status, b"<Code>MalformedQueryString</Code>" in answer.data) == (404, True)


def test_a_lock_that_is_held_is_left_as_it_is_and_says_by_what(world):
    world.acquire("a")
    with pytest.raises(world.dynamodb.exceptions.ConditionalCheckFailedException) as refusal:
        world.acquire("b")
    assert refusal.value.response["Error"]["Message"] == "The conditional request failed"
    held = {**world.key, "owner": {"S": "a"}, "fence": {"N": "1"}}
    assert refusal.value.response["Item"] == held
    assert world.item() == held


UNKNOWN = {
    "ecs": ("list_account_settings", "UnknownOperationException"),
    "elb": ("describe_account_limits", "InvalidAction"),
    "dynamodb": ("list_tables", "UnknownOperationException"),
    "cloudwatch": ("list_dashboards", "UnknownOperationException"),
    "events": ("list_rules", "UnknownOperationException"),
    "servicediscovery": ("list_operations", "UnknownOperationException"),
    "autoscaling": ("describe_scaling_policies", "UnknownOperationException"),
    "stepfunctions": ("list_state_machines", "UnknownOperationException"),
}


@pytest.mark.parametrize("service", OPERATIONS)
def test_no_operation_goes_untested(world, service):
    operation, code = UNKNOWN[service]
    with pytest.raises(botocore.exceptions.ClientError) as refusal:
        getattr(getattr(world, service), operation)()
    assert refusal.value.response["Error"]["Code"] == code
    message = refusal.value.response["Error"]["Message"]
    assert refusal.value.operation_name in message
    assert set(re.search(r"Simulated: (.*)\.", message)[1].split(", ")) == set(OPERATIONS[service])


def test_boto3s_paginators_see_every_page(world):
    names = [f"{world.name}-{number}" for number in range(3)]
    arns = {world.create_group(name) for name in names}
    pages = list(world.elb.get_paginator("describe_target_groups").paginate(PaginationConfig={"PageSize": 1}))
    assert len(pages) >= 3
    assert arns <= {group["TargetGroupArn"] for page in pages for group in page["TargetGroups"]}

    for _ in names:
        world.register()
    pages = world.ecs.get_paginator("list_task_definitions").paginate(familyPrefix=world.name, PaginationConfig={"PageSize": 2})
    assert [len(page["taskDefinitionArns"]) for page in pages] == [2, 1]
