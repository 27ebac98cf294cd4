"""What a run costs at most, at list prices of us-east-1 in USD, November 2026 (docs/cost.md says what was checked)."""

VCPU_HOUR = 0.04048
GB_HOUR = 0.004445
BALANCER_HOUR = 0.0225
# Of a Network Load Balancer, and of an Application Load Balancer: far below one unit is used.
UNIT_HOUR = {"network": 0.006, "application": 0.008}
ADDRESS_HOUR = 0.005
# API calls of CloudWatch, and transitions of Step Functions: some hundred and some ten.
CALLS = 0.01


def most(hours, alb):
    """With 4 tasks of a quarter vCPU and 0.5 GB all the time; with an ALB, 6. Load balancers have an address a zone."""
    tasks = 6 if alb else 4
    kinds = ["network", "application"] if alb else ["network"]
    an_hour = tasks * (VCPU_HOUR / 4 + GB_HOUR / 2 + ADDRESS_HOUR)
    an_hour += sum(BALANCER_HOUR + UNIT_HOUR[kind] + 2 * ADDRESS_HOUR for kind in kinds)
    return hours * an_hour + CALLS
