"""Questions that need connections through a load balancer from where this runs."""

import datetime
import http.client

import traffic
from account import NotAsked
from executions import value
from questions import Answer, question, seconds

CONNECTIONS = 20
HOUR_SECONDS = 65 * 60


@question(
    "After a listener's weights moved, how long do new connections reach the former target group?",
    "More than a minute is possible (75 s were observed); `bakeTime` is 90 s by default",
)
def propagation(run):
    run.connect()
    service = run.service
    service.create_task_set(service.versions[1], 50, service.groups[1])
    service.wait_for_healthy(service.groups[1], 1)
    run.held = traffic.Held(*run.connect(), CONNECTIONS, every=traffic.EVERY_SECONDS / run.account.speed)
    run.account.until("connections are open", lambda: len(run.held.connections) == CONNECTIONS, 120)
    run.account.elb.modify_listener(ListenerArn=service.listener, DefaultActions=service.weights(0, 100))
    run.shifted = run.account.elapsed()
    return moved(traffic.visits(run.account, *run.connect(), 240), "one", 90)


def moved(answers, former, limit):
    """Until when the former group answered."""
    late = [at for at, name in answers if name == former]
    failed = [name for _, name in answers if name not in ("one", "two")]
    last = max(late, default=0)
    seen = f"The former group answered {len(late)} of {len(answers)} new connections, the last after {seconds(last)}."
    if failed:
        seen += f" {len(failed)} failed: {', '.join(sorted(set(failed)))}."
    return Answer(seen, last <= limit and not failed)


@question(
    "How late do CloudWatch's values of a load balancer come?",
    "A minute after the end of theirs; a value may be later",
)
def metrics_delay(run):
    run.connect()
    minute = run.account.now().replace(second=0, microsecond=0) + datetime.timedelta(minutes=1)
    run.account.sleep((minute - run.account.now()).total_seconds())
    traffic.visits(run.account, *run.connect(), 50)
    ends = minute + datetime.timedelta(minutes=1)
    name = run.service.balancer.split(":loadbalancer/")[1]
    of_minute = {"namespace": "AWS/NetworkELB", "until": ends}
    first = value(run, "NewFlowCount", {"LoadBalancer": name}, minute, **of_minute)
    if first is None:
        raise NotAsked("NewFlowCount had no value within 10 minutes, although connections were made")
    delay = (run.account.now() - ends).total_seconds()
    run.account.sleep(300)
    last = value(run, "NewFlowCount", {"LoadBalancer": name}, minute, **of_minute)
    seen = f"The value of a minute came {seconds(delay)} after its end. It was {first:g}, and {last:g} five minutes later."
    return Answer(seen, delay <= 120 and first == last)


@question(
    "Does weight 0 keep a Network Load Balancer from ending old connections within the hour?",
    "Not known, and not promised: if only weights change, connections live until they close",
)
def weight_zero_and_the_hour(run):
    if run.shifted is None:
        run.connect()
        raise NotAsked("no connections were open when the weights moved")
    run.account.until(
        "65 minutes have passed since the weights moved",
        lambda: run.account.elapsed() - run.shifted > HOUR_SECONDS,
        HOUR_SECONDS + 60,
        every=30,
    )
    ended = run.held.ended()
    run.held.close()
    if not ended:
        return Answer(f"All {CONNECTIONS} connections were open 65 minutes after their group had weight 0.", True)
    first = ended[0]
    at = first.ended * run.account.speed / 60
    return Answer(f"{len(ended)} of {CONNECTIONS} ended, the first after {at:.0f} min ({first.how}).", False)


def balance(run, weights, **more):
    """An Application Load Balancer in front of a task of each version, made once; then these weights."""
    service = run.service
    if run.alb is None:
        arn, address = service.create_load_balancer("application", "alb")
        groups = [service.create_group(f"h{which}", Protocol="HTTP") for which in (1, 2)]
        listener = service.create_listener(arn, "HTTP", service.weights(100, 0, groups))
        run.alb = arn, address, groups, listener
    arn, address, groups, listener = run.alb
    actions = service.weights(*weights, groups, **more)
    run.account.elb.modify_listener(ListenerArn=listener, DefaultActions=actions)
    return address, groups, listener


def answering(run):
    """Waits until it answers; its address."""
    service = run.service
    address, groups, _ = balance(run, (100, 0))
    traffic.reach(run.account, address)
    if not run.behind_alb:
        for version, group in zip(service.versions, groups, strict=True):
            run.behind_alb.append(service.create_task_set(version, 50, group))
        for group in groups:
            service.wait_for_healthy(group, 1)
    return address


@question(
    "Does an only action that was given without `Order` have one when it is returned?",
    "Not known, on an Application Load Balancer; the simulated one returns it where it was given",
)
def order_of_an_only_action(run):
    _, _, listener = balance(run, (100, 0))
    described = run.account.elb.describe_listeners(ListenerArns=[listener])["Listeners"][0]
    [action] = described["DefaultActions"]
    order = action.get("Order")
    return Answer("No." if order is None else f"Yes, it is {order}.", order is None)


@question(
    "After the weights of an Application Load Balancer moved, how long does the former group answer?",
    "As long as on a Network Load Balancer, until all nodes have it",
)
def propagation_of_an_application_load_balancer(run):
    address = answering(run)
    balance(run, (0, 100))
    return moved(traffic.visits(run.account, address, 80, 240), "one", 90)


@question(
    "Does stickiness to a target group also hold at weight 0, and when does its duration begin?",
    "Not known; simulated clients stay, until the duration has passed since their last connection ended",
)
def stickiness_at_weight_0(run):
    address = answering(run)
    sticky = {"TargetGroupStickinessConfig": {"Enabled": True, "DurationSeconds": 120}}
    balance(run, (100, 0), **sticky)
    run.account.sleep(90)
    _, answer = traffic.ask(address)
    cookies = [header.split(";")[0] for name, header in answer.getheaders() if name.lower() == "set-cookie"]
    if not cookies:
        raise NotAsked("the load balancer set no cookie")
    balance(run, (0, 100), **sticky)
    began, stayed = run.account.elapsed(), 0
    while (at := run.account.elapsed() - began) < 300:
        # Without the new cookies: the first one's duration is what is measured.
        if traffic.ask(address, headers={"Cookie": "; ".join(cookies)})[0] == "one":
            stayed = at
        run.account.sleep(5)
    return Answer(f"With the cookie (120 s), the group of weight 0 answered for {seconds(stayed)}.", stayed > 60)


@question(
    "Does an Application Load Balancer count a long-lived connection twice?",
    "Yes, once from the client and once to the target: `NewConnectionCount` is halved",
)
def connections_counted_twice(run):
    address = answering(run)
    run.account.sleep(120)
    since, name = run.account.now(), run.alb[0].split(":loadbalancer/")[1]
    clients = [http.client.HTTPConnection(address, 80, timeout=30) for _ in range(CONNECTIONS)]
    for _ in range(8):
        for client in clients:
            client.request("GET", "/")
            client.getresponse().read()
        run.account.sleep(20)
    for client in clients:
        client.close()
    run.account.sleep(180)
    counted = {
        metric: value(run, metric, {"LoadBalancer": name}, since, namespace="AWS/ApplicationELB")
        for metric in ("NewConnectionCount", "ActiveConnectionCount")
    }
    new = counted["NewConnectionCount"]
    if new is None:
        raise NotAsked("NewConnectionCount had no value")
    active = (counted["ActiveConnectionCount"] or 0) / 3
    seen = f"{CONNECTIONS} connections for three minutes: NewConnectionCount {new:g}, ActiveConnectionCount about {active:g} a minute."
    return Answer(seen, 1.8 <= new / CONNECTIONS <= 2.2)
