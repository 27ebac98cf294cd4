#!/usr/bin/env python3
"""Makes the folder that installs Ebbtide without Rust: the functions in a zip, and a template that refers to it.

`sam deploy` and `aws cloudformation package` take the template as it is. The same files give the same bytes.
"""

import argparse
import hashlib
import pathlib
import re
import shutil
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
DEFINITIONS = ["deployment.asl.json", "services.asl.json"]
# `e_machine` of an ELF file.
MACHINES = {62: "x86_64", 183: "arm64"}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", type=pathlib.Path, required=True, help="the functions' program, built for Lambda")
    parser.add_argument("--output", type=pathlib.Path, required=True, help="the folder, which is made anew")
    arguments = parser.parse_args()
    package(arguments.bootstrap, arguments.output)


def package(bootstrap, output):
    program = bootstrap.read_bytes()
    architecture = MACHINES.get(int.from_bytes(program[18:20], "little")) if program.startswith(b"\x7fELF") else None
    if architecture is None:
        raise SystemExit(f"{bootstrap} is no program for {' or '.join(MACHINES.values())}")
    empty(output)
    write_zip(program, output / "functions.zip")
    (output / "template.yaml").write_text(template((ROOT / "template.yaml").read_text(), architecture))
    (output / "samconfig.toml").write_text(settings((ROOT / "samconfig.toml").read_text()))
    for definition in DEFINITIONS:
        shutil.copyfile(ROOT / "statemachine" / definition, output / definition)
    shutil.copyfile(ROOT / "LICENSE", output / "LICENSE")
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(output.iterdir())]
    (output / "SHA256SUMS").write_text("".join(sums))
    return architecture


def empty(output):
    """Makes the folder, or takes away what an earlier run has written into it."""
    output.mkdir(parents=True, exist_ok=True)
    files = {"functions.zip", "template.yaml", "samconfig.toml", *DEFINITIONS, "LICENSE", "SHA256SUMS"}
    there = list(output.iterdir())
    if others := sorted(path.name for path in there if path.name not in files):
        raise SystemExit(f"{output} is no package: it has {others[0]}; give a folder of its own")
    for path in there:
        path.unlink()


def write_zip(program, path):
    bootstrap = zipfile.ZipInfo("bootstrap", date_time=(1980, 1, 1, 0, 0, 0))
    bootstrap.create_system = 3  # Unix: Lambda reads the permissions.
    bootstrap.external_attr = 0o100755 << 16
    bootstrap.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(path, "w", compresslevel=9) as archive:
        archive.writestr(bootstrap, program)


def template(text, architecture):
    """The template with built functions, for one architecture. Comments stay."""
    # On each function: `aws cloudformation package` does not read Globals.
    text = replaced(text, r"    CodeUri: \.\n", "", 1)
    text = replaced(text, r"    Metadata: \{BuildMethod: .*\}\n    Properties:\n", "    Properties:\n      CodeUri: functions.zip\n", 3)
    text = replaced(text, r"DefinitionUri: statemachine/", "DefinitionUri: ", len(DEFINITIONS))
    given = rf"\g<1>    Description: Processor architecture of the functions in functions.zip.\n    Type: String\n    Default: {architecture}\n    AllowedValues: [{architecture}]\n"
    return replaced(text, r"(  Architecture:\n)    Description: .*\n    Type: String\n    Default: .*\n    AllowedValues: .*\n", given, 1)


def settings(text):
    """samconfig.toml without what concerns a build."""
    sections = re.split(r"^(?=\[)", text, flags=re.MULTILINE)
    kept = [one for one in sections[1:] if not one.startswith(("[default.build", "[default.validate"))]
    return "version = 0.1\n\n" + "".join(kept)


def replaced(text, pattern, replacement, times):
    text, found = re.subn(pattern, replacement, text)
    if found != times:
        raise SystemExit(f"template.yaml has {pattern!r} {found} times; {times} expected")
    return text


if __name__ == "__main__":
    main()
