"""Services in the simulated AWS: set up, and checked, by boto3."""

import time

import stack

SUBNETS = ["subnet-0000000000000000a", "subnet-0000000000000000b"]
SECURITY_GROUPS = ["sg-0000000000000000a"]
CONTAINER = "web"
PORT = 8080


def task_definition(family, **container):
    """What a revision is registered with."""
    return {
        "family": family,
        "containerDefinitions": [
            {"name": CONTAINER, "image": family, "portMappings": [{"containerPort": PORT}], **container}
        ],
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "256",
        "memory": "512",
    }


class World:
    """The account that executions deploy in."""

    def __init__(self, endpoint):
        self.ecs = stack.client("ecs", endpoint)
        self.elb = stack.client("elbv2", endpoint)

    def register(self, family, **container):
        """The next revision of a family."""
        registered = self.ecs.register_task_definition(**task_definition(family, **container))
        return registered["taskDefinition"]["taskDefinitionArn"]

    def put_in_service(self, cluster, name, task_definition, tasks=4):
        """A service of some tasks behind a Network Load Balancer of its own.

        As the public sample leaves one: listener 80 forwards to the group with the tasks and 8080
        to the other, the first is tagged isProduction=true and with the id of the task set, and no
        task set is primary.
        """
        self.ecs.create_cluster(clusterName=cluster)
        production, alternate = (self.target_group(f"{name}-{n}") for n in (1, 2))
        balancer = self.elb.create_load_balancer(Name=name, Type="network", Subnets=SUBNETS)["LoadBalancers"][0]
        for port, group in ((80, production), (8080, alternate)):
            self.elb.create_listener(
                LoadBalancerArn=balancer["LoadBalancerArn"],
                Protocol="TCP",
                Port=port,
                DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
            )
        self.ecs.create_service(
            cluster=cluster,
            serviceName=name,
            desiredCount=tasks,
            deploymentController={"type": "EXTERNAL"},
        )
        task_set = self.ecs.create_task_set(
            cluster=cluster,
            service=name,
            taskDefinition=task_definition,
            launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": {"subnets": SUBNETS, "securityGroups": SECURITY_GROUPS}},
            loadBalancers=[{"targetGroupArn": production, "containerName": CONTAINER, "containerPort": PORT}],
            scale={"value": 100.0, "unit": "PERCENT"},
        )["taskSet"]["id"]
        self.elb.add_tags(
            ResourceArns=[production],
            Tags=[{"Key": "isProduction", "Value": "true"}, {"Key": "taskSetId", "Value": task_set}],
        )
        service = Service(self, cluster, name, balancer["LoadBalancerArn"])
        service.wait_until(lambda: self.healthy(production) == tasks, "its first tasks are healthy")
        return service

    def target_group(self, name):
        return self.elb.create_target_group(
            Name=name, Protocol="TCP", Port=PORT, VpcId="vpc-0000000000000000a", TargetType="ip"
        )["TargetGroups"][0]["TargetGroupArn"]

    def healthy(self, group):
        targets = self.elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return sum(target["TargetHealth"]["State"] == "healthy" for target in targets)


class Service:
    """A service behind a load balancer, as it is now."""

    def __init__(self, world, cluster, name, load_balancer):
        self.world = world
        self.cluster = cluster
        self.name = name
        self.load_balancer = load_balancer

    def task_sets(self):
        return self.described()["taskSets"]

    def task_set(self, id):
        [found] = [task_set for task_set in self.task_sets() if task_set["id"] == id]
        return found

    def described(self):
        return self.world.ecs.describe_services(cluster=self.cluster, services=[self.name])["services"][0]

    def listeners(self):
        answer = self.world.elb.describe_listeners(LoadBalancerArn=self.load_balancer)
        return sorted(answer["Listeners"], key=lambda listener: listener["Port"])

    def forwards_to(self, port):
        """The only target group that new connections to a port reach."""
        [listener] = [one for one in self.listeners() if one["Port"] == port]
        [action] = listener["DefaultActions"]
        [live] = [g for g in action["ForwardConfig"]["TargetGroups"] if g["Weight"] > 0]
        return live["TargetGroupArn"]

    def alternate(self):
        """The group of the two that the production listener does not forward to."""
        [alternate] = [group for group in self.groups() if group != self.forwards_to(80)]
        return alternate

    def groups(self):
        answer = self.world.elb.describe_target_groups(LoadBalancerArn=self.load_balancer)
        return sorted(group["TargetGroupArn"] for group in answer["TargetGroups"])

    def tags(self):
        """Of the target groups and the listeners, by ARN."""
        arns = self.groups() + [listener["ListenerArn"] for listener in self.listeners()]
        described = self.world.elb.describe_tags(ResourceArns=arns)["TagDescriptions"]
        return {one["ResourceArn"]: {tag["Key"]: tag["Value"] for tag in one["Tags"]} for one in described}

    def everything(self):
        """What a deployment could write to."""
        return {"service": self.described(), "listeners": self.listeners(), "tags": self.tags()}

    def wait_until(self, holds, what, seconds=60):
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"{self.name}: not seen in {seconds} s: {what}"
            time.sleep(0.1)
