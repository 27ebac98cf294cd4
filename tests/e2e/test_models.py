"""The extract of AWS's models is that of the sources and of the pinned botocore, and an older one shows what is new."""

import json
import re

import pytest

import models
import stack
from test_simulated_aws import OPERATIONS

IN_IAM = {"elasticloadbalancing": "elbv2", "states": "stepfunctions"}
# To create with tags, which is no operation of its own.
TAGGED = ("ecs", "TagResource")


@pytest.fixture
def pinned():
    """The pinned models, to be changed."""
    return models.models(models.PINNED)


@pytest.fixture
def extract():
    return json.loads(models.EXTRACT.read_text())


def test_the_extract_is_that_of_the_sources_and_of_the_pinned_botocore(pinned):
    assert models.written(models.extract(pinned)) == models.EXTRACT.read_text(), "make models-extract writes it again"


# Step Functions' own calls, to hear of the end of an execution that another one waits for.
BY_AWS = {("events", operation) for operation in ("DescribeRule", "PutRule", "PutTargets")}


def test_the_extract_has_every_operation_that_is_simulated_and_that_the_template_allows(extract):
    for service, calls in OPERATIONS.items():
        assert calls.keys() <= extract[{"autoscaling": "application-autoscaling", "elb": "elbv2"}.get(service, service)]["operations"].keys(), service
    services = "|".join(extract.keys() | IN_IAM.keys())
    # What a colon follows is the key of a condition.
    template = re.sub("#.*", "", (stack.ROOT / "template.yaml").read_text())
    allowed = re.findall(rf"\b({services}):([A-Z][a-z]\w+)\b(?!:)", template)
    assert len(set(allowed)) > 20
    for service, operation in set(allowed) - {TAGGED} - BY_AWS:
        assert operation in extract[IN_IAM.get(service, service)]["operations"], f"{service}:{operation}"


def without_rules_on_network_load_balancers(extract):
    """As it was before July 2026."""
    del extract["elbv2"]["structures"]["SourceIpConditionConfig"]["IpAddressType"]
    del extract["elbv2"]["enums"]["SourceIpAddressTypeEnum"]


def required(extract, value):
    extract["ecs"]["structures"]["UpdateTaskSetRequest"]["scale"] = value


# What an older extract has, and what is said then.
OLDER = {
    "a member": (without_rules_on_network_load_balancers, "elbv2 SourceIpConditionConfig.IpAddressType: new: SourceIpAddressTypeEnum"),
    "a value": (lambda old: old["ecs"]["enums"]["StabilityStatus"].remove("STABILIZING"), "ecs StabilityStatus: STABILIZING: new: value"),
    "an error": (
        lambda old: old["dynamodb"]["operations"]["UpdateItem"]["errors"].remove("ConditionalCheckFailedException"),
        "dynamodb UpdateItem: ConditionalCheckFailedException: new: error",
    ),
    "another type": (lambda old: required(old, "Scale"), "ecs UpdateTaskSetRequest.scale: changed: Scale is now Scale!"),
    "a lost member": (
        lambda old: old["elbv2"]["structures"]["Rule"].update(Weight="integer"),
        "elbv2 Rule.Weight: gone: integer",
    ),
    "a lost operation": (
        lambda old: old["stepfunctions"]["operations"].update(StopMap={"input": "A", "output": "B", "errors": []}),
        "stepfunctions StopMap: gone: A → B",
    ),
}


@pytest.mark.parametrize("what", OLDER)
def test_what_an_older_model_lacks_or_has_is_reported_and_fails(tmp_path, capsys, extract, what):
    change, said = OLDER[what]
    change(extract)
    older = tmp_path / "older.json"
    older.write_text(json.dumps(extract))
    assert models.main(["--extract", str(older)]) == 1
    assert capsys.readouterr().out.splitlines() == [said, "1 differences, 1 of them without a decision in aws-models.md."]


def installed(folder, of):
    """A folder as that of a botocore with these models."""
    for service, model in of.items():
        file = folder / "data" / service / model["metadata"]["apiVersion"] / "service-2.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(model))
    return str(folder)


def test_other_words_in_the_documentation_are_reported(tmp_path, capsys, pinned):
    operation = pinned["elbv2"]["operations"]["CreateRule"]
    operation["documentation"] += "<p>Gateway Load Balancers have rules too.</p>"
    assert models.main(["--botocore", installed(tmp_path, pinned)]) == 1
    said = capsys.readouterr().out
    assert "elbv2 CreateRule, documentation: changed:\n    + Gateway Load Balancers have rules too.\n" in said


def test_a_difference_that_the_page_decides_about_is_silent(tmp_path, capsys, monkeypatch, pinned):
    page = tmp_path / "aws-models.md"
    page.write_text("| difference | decision |\n|---|---|\n| `ecs Task.colour` `ecs Task.shape` | Not read |\n")
    monkeypatch.setattr(models, "PAGE", page)
    members = pinned["ecs"]["shapes"]["Task"]["members"]
    members["shape"] = {"shape": "String"}
    folder = installed(tmp_path / "decided", pinned)
    assert (models.main(["--botocore", folder]), capsys.readouterr().out.splitlines()[0][:26]) == (0, "1 differences, 0 of them w")
    members["size"] = {"shape": "String"}
    folder = installed(tmp_path / "undecided", pinned)
    assert (models.main(["--botocore", folder]), capsys.readouterr().out.splitlines()[0]) == (1, "ecs Task.size: new: string")
