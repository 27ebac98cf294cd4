"""What Ebbtide relies on of AWS's API models, as botocore has them: a committed extract, and what is new since.

    python models.py            compares the extract with a botocore: the one at --botocore, or this environment's
    python models.py --write    writes the extract again, from this environment's

Relied on are the operations that the functions and the command line call and those that the simulated AWS
answers, both taken from the sources, and all that their inputs, outputs and errors lead to. Exit status: 0 if
docs/aws-models.md has a decision about every difference, otherwise 1.
"""

import argparse
import difflib
import json
import pathlib
import re
import sys
import textwrap

import botocore
from botocore import xform_name
from botocore.loaders import Loader

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXTRACT = ROOT / "tests" / "e2e" / "models.json"
PAGE = ROOT / "docs" / "aws-models.md"
PINNED = pathlib.Path(botocore.__file__).parent
# What AWS calls a service in its models, in the crate of its Rust SDK, and here in a file of the wire layer.
SERVICES = {
    "application-autoscaling": ("applicationautoscaling", "auto_scaling"),
    "cloudwatch": ("cloudwatch", "cloudwatch"),
    "dynamodb": ("dynamodb", "dynamodb"),
    "ecs": ("ecs", "ecs"),
    "elbv2": ("elasticloadbalancingv2", "elb"),
    "events": ("eventbridge", "events"),
    "servicediscovery": ("servicediscovery", "servicediscovery"),
    "stepfunctions": ("sfn", "states"),
}


def models(folder):
    """The models of a botocore that is installed in a folder. Nothing of it is run."""
    loader = Loader(extra_search_paths=[str(folder / "data")], include_default_search_paths=False)
    return {service: loader.load_service_model(service, "service-2") for service in SERVICES}


def operations(of):
    """The operations of each service that the sources call or answer."""
    relied = {service: set() for service in of}
    for folder in ("functions/src", "src"):
        for file in sorted((ROOT / folder).rglob("*.rs")):
            source = file.read_text()
            for call in set(re.findall(r"\.([a-z_]+)\(\)", source)):
                found = [(service, name) for service, model in of.items() for name in model["operations"] if xform_name(name) == call]
                if len(found) > 1:
                    found = [(service, name) for service, name in found if f"aws_sdk_{SERVICES[service][0]}" in source]
                    assert len(found) == 1, f"{file}: {call} is an operation of several services"
                for service, name in found:
                    relied[service].add(name)
    for service, (_, file) in SERVICES.items():
        table = (ROOT / "simulator" / "src" / "wire" / f"{file}.rs").read_text()
        relied[service] |= set(re.findall(r'^(?:    |.*= &\[)\("([A-Z]\w+)", ', table, re.MULTILINE))
    return {service: sorted(names) for service, names in relied.items()}


def limits(shape):
    if not {"min", "max"} & set(shape) or "enum" in shape:
        return ""
    return f"({shape.get('min', '')}..{shape.get('max', '')})"


def type_of(name, shapes):
    """`string(1..255)`, `[Tag]`, `{string:AttributeValue}`, or the name of a structure or an enumeration."""
    shape = shapes[name]
    if shape["type"] == "list":
        return f"[{type_of(shape['member']['shape'], shapes)}]{limits(shape)}"
    if shape["type"] == "map":
        return f"{{{type_of(shape['key']['shape'], shapes)}:{type_of(shape['value']['shape'], shapes)}}}{limits(shape)}"
    return name if shape["type"] == "structure" or "enum" in shape else shape["type"] + limits(shape)


def reached(names, shapes):
    """The names of the shapes that these lead to."""
    seen, left = set(), list(names)
    while left:
        name = left.pop()
        if name not in seen:
            seen.add(name)
            shape = shapes[name]
            left += [member["shape"] for member in shape.get("members", {}).values()]
            left += [shape[part]["shape"] for part in ("member", "key", "value") if part in shape]
    return sorted(seen)


def extract(of):
    """Of each service: its operations, the structures, where `!` marks what is required, and the enumerations."""
    extracted = {}
    for service, names in operations(of).items():
        shapes, relied, ends = of[service]["shapes"], {}, []
        for name in names:
            operation = of[service]["operations"].get(name)
            if operation is None:
                continue
            relied[name] = {part: operation[part]["shape"] for part in ("input", "output") if part in operation}
            relied[name]["errors"] = sorted(error["shape"] for error in operation.get("errors", []))
            ends += [relied[name].get("input"), relied[name].get("output"), *relied[name]["errors"]]
        structures, enums = {}, {}
        for name in reached(filter(None, ends), shapes):
            shape = shapes[name]
            if "enum" in shape:
                enums[name] = sorted(shape["enum"])
            elif shape["type"] == "structure":
                required = shape.get("required", [])
                members = sorted(shape["members"].items())
                structures[name] = {of: type_of(member["shape"], shapes) + "!" * (of in required) for of, member in members}
        extracted[service] = {"operations": relied, "structures": structures, "enums": enums}
    return extracted


def written(extracted):
    """As JSON, with lines that are filled: no name or value has a space."""

    def filled(key, value):
        line = f"      {json.dumps(key)}: {json.dumps(value, separators=(', ', ':'))}"
        return "\n".join(textwrap.wrap(line, 120, subsequent_indent=" " * 8, break_long_words=False, break_on_hyphens=False))

    def nested(key, values, indent, write):
        inner = ",\n".join(write(*item) for item in values.items())
        return f'{indent}"{key}": {{\n{inner}\n{indent}}}'

    def service(name, parts):
        return nested(name, parts, "  ", lambda part, values: nested(part, values, "    ", filled))

    return "{\n" + ",\n".join(service(*item) for item in extracted.items()) + "\n}\n"


def flat(extracted):
    """Each thing that can be new, gone or changed, by its name."""
    things = {}
    for service, parts in extracted.items():
        for name, operation in parts["operations"].items():
            things[f"{service} {name}"] = " → ".join(operation.get(part, "nothing") for part in ("input", "output"))
            things |= {f"{service} {name}: {error}": "error" for error in operation["errors"]}
        for name, members in parts["structures"].items():
            things |= {f"{service} {name}.{member}": kind for member, kind in members.items()}
        for name, values in parts["enums"].items():
            things |= {f"{service} {name}: {value}": "value" for value in values}
    return things


def shapes_of(extracted):
    return {(service, name) for service, parts in extracted.items() for part in parts.values() for name in part}


def differences(old, new):
    """The name of each difference, and what is to be said of it. What only new or lost shapes have is not listed:
    the member that leads to them is."""
    before, after = flat(old), flat(new)
    both = shapes_of(old) & shapes_of(new)
    found = {}
    for name in sorted(before | after):
        service, of = name.split(" ", 1)
        if before.get(name) == after.get(name):
            continue
        if name not in before:
            if (service, re.split("[.:]", of)[0]) in both:
                found[name] = f"new: {after[name]}"
        elif name not in after:
            if (service, re.split("[.:]", of)[0]) in both or before[name].count("→"):
                found[name] = f"gone: {before[name]}"
        else:
            found[name] = f"changed: {before[name]} is now {after[name]}"
    return found


def documentation(of, extracted):
    """The text of each operation, structure, member and enumeration of the extract, in sentences."""
    texts = {}
    for service, parts in extracted.items():
        shapes = of[service]["shapes"]
        for name in parts["operations"]:
            texts[f"{service} {name}"] = of[service]["operations"][name].get("documentation", "")
        for name in [*parts["structures"], *parts["enums"]]:
            texts[f"{service} {name}"] = shapes[name].get("documentation", "")
            for member, shape in shapes[name].get("members", {}).items():
                texts[f"{service} {name}.{member}"] = shape.get("documentation", "")
    return {name: re.split(r"(?<=[.:]) +", re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", text)).strip()) for name, text in texts.items()}


def other_words(before, after):
    """The same as differences, of what has a documentation in both."""
    found = {}
    for name in sorted(before.keys() & after.keys()):
        changes = [line for line in difflib.ndiff(before[name], after[name]) if line[0] in "+-" and line[1:].strip()]
        if changes:
            found[f"{name}, documentation"] = "\n".join(["changed:", *(f"    {line}" for line in changes)])
    return found


def decided():
    """The names of the differences that the page has a row for."""
    rows = re.findall(r"^\| (`.*?`) \| ", PAGE.read_text(), re.MULTILINE)
    return {name for row in rows for name in re.findall("`([^`]+)`", row)}


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--botocore", type=pathlib.Path, default=PINNED)
    parser.add_argument("--extract", type=pathlib.Path, default=EXTRACT)
    given = parser.parse_args(arguments)
    pinned = models(PINNED)
    if given.write:
        EXTRACT.write_text(written(extract(pinned)))
        return 0
    other, old = models(given.botocore), json.loads(given.extract.read_text())
    new = extract(other)
    found = differences(old, new) | other_words(documentation(pinned, extract(pinned)), documentation(other, new))
    known = decided()
    for name, what in found.items():
        if name not in known:
            print(f"{name}: {what}")
    undecided = len(found.keys() - known)
    print(f"{len(found)} differences, {undecided} of them without a decision in {PAGE.name}.")
    return min(undecided, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
