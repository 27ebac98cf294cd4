"""What a run creates: a service of small tasks behind a Network Load Balancer, and on request another load balancer.

Every resource gets its tag in the call that creates it.
"""

import json
import pathlib

import botocore.exceptions
from account import NAME, TAG, NotAsked

IMAGE = "public.ecr.aws/docker/library/python:3.13-alpine"
PROGRAM = (pathlib.Path(__file__).parent / "server.py").read_text()
CONTAINER = "answers"
PORT = 8080
TASKS = 2
# So that draining can be seen, and is over soon.
DELAY_SECONDS = 60
# A Network Load Balancer was seen to take minutes until it checks a new target.
HEALTHY_SECONDS = 900


# What ECS may answer shortly after a listener, or its service-linked role in a new account, was created.
NOT_YET = ("associated load balancer", "service linked role")


class Service:
    def __init__(self, account, run, vpc, subnets, client):
        self.account = account
        self.run = run
        self.name = f"{NAME}-{run}"
        self.vpc = vpc
        self.subnets = subnets
        self.client = client
        # Refusals of CreateTaskSet that a repetition of the call got over.
        self.refusals = []

    def tags(self, key="Key", value="Value"):
        return [{key: TAG, value: self.run}]

    @property
    def ecs_tags(self):
        return self.tags("key", "value")

    def create(self, say):
        ecs = self.account.ecs
        say("creating a security group, a cluster and two task definitions")
        self.security_group = self.create_security_group()
        self.cluster = ecs.create_cluster(clusterName=self.name, tags=self.ecs_tags)["cluster"]["clusterArn"]
        self.versions = [self.register(name) for name in ("one", "two")]
        say("creating a Network Load Balancer with two target groups")
        self.balancer, self.address = self.create_load_balancer("network", "nlb")
        # Else a zone whose only targets have weight 0 might be without service.
        cross_zone = {"Key": "load_balancing.cross_zone.enabled", "Value": "true"}
        self.account.elb.modify_load_balancer_attributes(LoadBalancerArn=self.balancer, Attributes=[cross_zone])
        self.groups = [self.create_group(f"{which}", Protocol="TCP") for which in ("1", "2")]
        self.listener = self.create_listener(self.balancer, "TCP", self.weights(100, 0))
        say(f"creating a service, and a task set of {TASKS} tasks")
        ecs.create_service(
            cluster=self.cluster,
            serviceName=self.name,
            desiredCount=TASKS,
            deploymentController={"type": "EXTERNAL"},
            tags=self.ecs_tags,
        )
        self.original = self.create_task_set(self.versions[0], 100, self.groups[0])

    def create_security_group(self):
        ec2 = self.account.ec2
        group = ec2.create_security_group(
            GroupName=self.name,
            Description="Ebbtide's contract suite: load balancers, tasks and the client",
            VpcId=self.vpc,
            TagSpecifications=[{"ResourceType": "security-group", "Tags": self.tags()}],
        )["GroupId"]
        permissions = [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}]
        if self.client:
            port = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80}
            permissions.append({**port, "IpRanges": [{"CidrIp": self.client}]})
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=permissions)
        return group

    def register(self, name):
        environment = {"TASK_SET": name, "PORT": str(PORT)}
        definition = self.account.ecs.register_task_definition(
            family=NAME,
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu="256",
            memory="512",
            containerDefinitions=[
                {
                    "name": CONTAINER,
                    "image": IMAGE,
                    "command": ["python", "-c", PROGRAM],
                    "environment": [{"name": key, "value": value} for key, value in environment.items()],
                    "portMappings": [{"containerPort": PORT}],
                    "stopTimeout": 10,
                }
            ],
            tags=self.ecs_tags,
        )
        return definition["taskDefinition"]["taskDefinitionArn"]

    def create_load_balancer(self, kind, suffix):
        created = self.account.elb.create_load_balancer(
            Name=f"{self.name}-{suffix}",
            Type=kind,
            Subnets=self.subnets,
            SecurityGroups=[self.security_group],
            Tags=self.tags(),
        )["LoadBalancers"][0]
        return created["LoadBalancerArn"], created["DNSName"]

    def create_group(self, suffix, **more):
        elb = self.account.elb
        group = elb.create_target_group(
            Name=f"{self.name}-{suffix}",
            Port=PORT,
            VpcId=self.vpc,
            TargetType="ip",
            HealthCheckIntervalSeconds=10,
            HealthyThresholdCount=2,
            Tags=self.tags(),
            **more,
        )["TargetGroups"][0]["TargetGroupArn"]
        delay = {"Key": "deregistration_delay.timeout_seconds", "Value": str(DELAY_SECONDS)}
        elb.modify_target_group_attributes(TargetGroupArn=group, Attributes=[delay])
        return group

    def create_listener(self, balancer, protocol, actions):
        created = self.account.elb.create_listener(
            LoadBalancerArn=balancer, Protocol=protocol, Port=80, DefaultActions=actions, Tags=self.tags()
        )
        return created["Listeners"][0]["ListenerArn"]

    def weights(self, first, second, groups=None, **more):
        weighted = zip(groups or self.groups, (first, second), strict=True)
        named = [{"TargetGroupArn": group, "Weight": weight} for group, weight in weighted]
        return [{"Type": "forward", "ForwardConfig": {"TargetGroups": named, **more}}]

    def create_task_set(self, version, scale, group=None, **more):
        """A task set of that version, scaled to `scale` percent; its id."""
        attached = [{"targetGroupArn": group, "containerName": CONTAINER, "containerPort": PORT}] if group else []
        network = {"subnets": self.subnets, "securityGroups": [self.security_group], "assignPublicIp": "ENABLED"}

        def create():
            try:
                return self.account.ecs.create_task_set(
                    cluster=self.cluster,
                    service=self.name,
                    taskDefinition=version,
                    launchType="FARGATE",
                    networkConfiguration={"awsvpcConfiguration": network},
                    loadBalancers=attached,
                    scale={"value": float(scale), "unit": "PERCENT"},
                    tags=self.ecs_tags,
                    **more,
                )["taskSet"]["id"]
            except botocore.exceptions.ClientError as error:
                if not any(words in str(error) for words in NOT_YET):
                    raise
                self.refusals.append(str(error))
                return None

        return self.account.until("ECS accepts a task set", create, 120)

    def of(self, task_set=None, **more):
        named = {} if task_set is None else {"taskSet": task_set}
        return {"cluster": self.cluster, "service": self.name, **named, **more}

    def scale(self, task_set, percent):
        """Sets a scale; the task set as ECS then answers it."""
        scale = {"value": percent, "unit": "PERCENT"}
        return self.account.ecs.update_task_set(**self.of(task_set, scale=scale))["taskSet"]

    def task_set(self, task_set):
        """As ECS describes it, `None` once it is gone."""
        found = self.account.ecs.describe_task_sets(**self.of(taskSets=[task_set]))["taskSets"]
        return found[0] if found else None

    def delete_task_set(self, task_set):
        """Whatever it does, if it is not being deleted yet, and waits until it is gone."""
        described = self.task_set(task_set)
        if described and described["status"] != "DRAINING":
            self.account.ecs.delete_task_set(**self.of(task_set, force=True))
        self.account.until("a task set is gone", lambda: not self.task_set(task_set), HEALTHY_SECONDS)

    def tasks(self, task_set):
        arns = [
            arn
            for desired in ("RUNNING", "STOPPED")
            for arn in self.account.ecs.list_tasks(cluster=self.cluster, startedBy=task_set, desiredStatus=desired)[
                "taskArns"
            ]
        ]
        return self.account.ecs.describe_tasks(cluster=self.cluster, tasks=arns)["tasks"] if arns else []

    def events(self):
        """Their messages, the newest first."""
        [described] = self.account.ecs.describe_services(cluster=self.cluster, services=[self.name])["services"]
        return [event["message"] for event in described["events"]]

    def last_event(self):
        return next(iter(self.events()), "The service has no events.")

    def running(self, task_set):
        return [task for task in self.tasks(task_set) if task["lastStatus"] == "RUNNING"]

    def states(self, group):
        """Of the targets, by address."""
        described = self.account.elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return {one["Target"]["Id"]: one["TargetHealth"]["State"] for one in described}

    def wait_for_running(self, task_set, tasks):
        what = f"{tasks} tasks of a task set run"
        self.account.until(what, lambda: len(self.running(task_set)) == tasks, HEALTHY_SECONDS)

    def wait_for_healthy(self, group, targets):
        def healthy():
            return list(self.states(group).values()).count("healthy") == targets

        self.account.until(f"{targets} targets are healthy", healthy, HEALTHY_SECONDS)

    def create_state_machine(self):
        """One that waits as long as its input says, and fails."""
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
            ],
        }
        role = self.account.iam.create_role(
            RoleName=self.name, Path=f"/{NAME}/", AssumeRolePolicyDocument=json.dumps(trust), Tags=self.tags()
        )["Role"]["Arn"]
        definition = {
            "StartAt": "Wait",
            "States": {
                "Wait": {"Type": "Wait", "SecondsPath": "$.seconds", "Next": "Fail"},
                "Fail": {"Type": "Fail", "Error": "Asked"},
            },
        }

        def create():
            try:
                return self.account.states.create_state_machine(
                    name=self.name, definition=json.dumps(definition), roleArn=role, publish=True, tags=self.ecs_tags
                )
            except botocore.exceptions.ClientError as error:
                # A new role takes some seconds to be effective everywhere.
                if "assume" not in str(error) and "role" not in str(error).lower():
                    raise
                return None

        created = self.account.until("Step Functions accepts a new role", create, 120)
        alias = self.account.states.create_state_machine_alias(
            name="live", routingConfiguration=[{"stateMachineVersionArn": created["stateMachineVersionArn"], "weight": 100}]
        )
        return created["stateMachineArn"], alias["stateMachineAliasArn"]


def public_subnets(account, vpc, named):
    """Those that are named, or one of each of two zones whose tasks get a public address."""
    filters = [{"Name": "vpc-id", "Values": [vpc]}]
    subnets = account.ec2.describe_subnets(Filters=filters)["Subnets"]
    if named:
        missing = set(named) - {one["SubnetId"] for one in subnets}
        if missing:
            raise NotAsked(f"{vpc} has no subnets {', '.join(sorted(missing))}")
        return list(named)
    zones = {one["AvailabilityZone"]: one["SubnetId"] for one in subnets if one["MapPublicIpOnLaunch"]}
    if len(zones) < 2:
        raise NotAsked(
            f"{vpc} has no public subnets in two zones (MapPublicIpOnLaunch): name two with SUBNETS=subnet-…,subnet-…"
        )
    return [zones[zone] for zone in sorted(zones)[:2]]
