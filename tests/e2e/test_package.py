"""What `make package` makes is deployed as it is, where there is no Rust, no cargo-lambda and no checkout."""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import zipfile

import pytest
from samcli.yamlhelper import yaml_parse

import stack
from interpreter import Interpreter

STACK = "packaged"
BOOTSTRAP = stack.ROOT / ".aws-sam" / "build" / "SwapFunction" / "bootstrap"
FILES = ["LICENSE", "SHA256SUMS", "deployment.asl.json", "functions.zip", "samconfig.toml", "services.asl.json", "template.yaml"]


def package(folder, bootstrap=BOOTSTRAP):
    command = [sys.executable, stack.ROOT / "release" / "package.py", "--bootstrap", bootstrap, "--output", folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def packaged(deployed, tmp_path_factory):
    """The folder. `deployed` has built the functions."""
    return package(tmp_path_factory.mktemp("release") / "package")


@pytest.fixture(scope="module")
def without_rust(tmp_path_factory):
    """An environment whose PATH has SAM's and AWS's command lines, and nothing else of this machine."""
    folder = tmp_path_factory.mktemp("bin")
    for program in ("sam", "aws"):
        (folder / program).symlink_to(pathlib.Path(stack.SCRIPTS) / program)
    for program in ("cargo", "cargo-lambda", "rustc", "zig", "make"):
        assert shutil.which(program, path=str(folder)) is None
    return {"PATH": str(folder), "HOME": str(folder)}


@pytest.fixture(scope="module")
def installed(deployed, packaged, without_rust):
    """The stack that `sam deploy` makes in the folder."""
    stack.deploy(deployed.ministack, deployed.logs / "packaged.log", stack=STACK, folder=packaged, **without_rust)
    return STACK


def test_the_folder_has_what_an_installation_needs_and_its_checksums(packaged):
    assert sorted(path.name for path in packaged.iterdir()) == FILES
    sums = dict(line.split("  ")[::-1] for line in (packaged / "SHA256SUMS").read_text().splitlines())
    assert sorted(sums) == [name for name in FILES if name != "SHA256SUMS"]
    for name, checksum in sums.items():
        assert hashlib.sha256((packaged / name).read_bytes()).hexdigest() == checksum


def test_the_zip_has_the_program_that_lambda_runs(packaged):
    with zipfile.ZipFile(packaged / "functions.zip") as archive:
        [bootstrap] = archive.infolist()
        assert archive.read(bootstrap) == BOOTSTRAP.read_bytes()
    assert bootstrap.filename == "bootstrap"
    assert oct(bootstrap.external_attr >> 16) == "0o100755"
    # What Lambda takes without S3 is 50 MB.
    assert (packaged / "functions.zip").stat().st_size < 5_000_000


def test_the_same_files_give_the_same_bytes(packaged, tmp_path):
    later = tmp_path / "bootstrap"
    shutil.copyfile(BOOTSTRAP, later)
    os.utime(later, (1, 1))
    again = package(tmp_path / "package", later)
    assert {name: (again / name).read_bytes() for name in FILES} == {name: (packaged / name).read_bytes() for name in FILES}


def test_the_template_is_the_shipped_one_but_for_how_functions_are_built(packaged):
    shipped = yaml_parse((stack.ROOT / "template.yaml").read_text())
    theirs = yaml_parse((packaged / "template.yaml").read_text())
    for name, resource in shipped["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            assert resource.pop("Metadata")["BuildMethod"] == "rust-cargolambda"
            assert theirs["Resources"][name]["Properties"].pop("CodeUri") == "functions.zip"
    shipped["Globals"]["Function"].pop("CodeUri")
    for machine, definition in (("DeploymentStateMachine", "deployment"), ("ServicesStateMachine", "services")):
        mine, packed = (one["Resources"][machine]["Properties"].pop("DefinitionUri") for one in (shipped, theirs))
        assert (mine, packed) == (f"statemachine/{definition}.asl.json", f"{definition}.asl.json")
    assert theirs["Parameters"].pop("Architecture")["AllowedValues"] == ["x86_64"]
    assert shipped["Parameters"].pop("Architecture")["AllowedValues"] == ["x86_64", "arm64"]
    assert theirs == shipped


def test_a_program_for_arm_gives_a_template_for_arm(tmp_path):
    # Lambda's x86_64 cannot run it: only the header is read here.
    header = b"\x7fELF" + bytes(14) + (183).to_bytes(2, "little")
    (tmp_path / "bootstrap").write_bytes(header)
    folder = package(tmp_path / "package", tmp_path / "bootstrap")
    parameter = yaml_parse((folder / "template.yaml").read_text())["Parameters"]["Architecture"]
    assert (parameter["Default"], parameter["AllowedValues"]) == ("arm64", ["arm64"])


def test_sam_deploy_takes_it_and_the_functions_run(deployed, installed, chat):
    outputs = deployed.client("cloudformation").describe_stacks(StackName=installed)["Stacks"][0]["Outputs"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in outputs}
    machine = Interpreter(
        "MiniStack",
        deployed.ministack,
        outputs["DeploymentStateMachineArn"],
        deployed,
        start_with=outputs["DeploymentStateMachineLiveArn"],
    )
    there = machine.run((stack.ROOT / "events" / "dry-run.json").read_text())
    assert (there.status, there.error, there.cause) == ("SUCCEEDED", None, None)
    assert there.output["next"] == "DryRunSucceeded"


def test_cloudformation_takes_it_with_the_commands_of_the_page(deployed, packaged, without_rust, tmp_path):
    check, sam = commands("package")
    assert subprocess.run(check.split(), cwd=packaged, capture_output=True, timeout=60).returncode == 0
    # `installed` runs it, without the questions.
    assert sam == "sam deploy --guided"

    deployed.client("s3").create_bucket(Bucket="artifacts")
    shutil.copytree(packaged, tmp_path / "package")
    env = stack.environment(AWS_ENDPOINT_URL=deployed.ministack, **without_rust)
    for command in commands("cloudformation"):
        command = command.replace("BUCKET", "artifacts").replace("--stack-name ebbtide", "--stack-name uploaded")
        given = {"env": env, "cwd": tmp_path / "package", "capture_output": True, "text": True, "timeout": 120}
        done = subprocess.run(command.split(), **given)
        assert done.returncode == 0, done.stdout + done.stderr
    resources = yaml_parse((tmp_path / "package" / "uploaded.yaml").read_text())["Resources"].values()
    code = [one["Properties"]["CodeUri"] for one in resources if one["Type"] == "AWS::Serverless::Function"]
    # One zip for the three.
    assert len(code) == 3 and len(set(code)) == 1
    key = code[0].removeprefix("s3://artifacts/")
    uploaded = deployed.client("s3").get_object(Bucket="artifacts", Key=key)["Body"].read()
    assert uploaded == (packaged / "functions.zip").read_bytes()
    [made] = deployed.client("cloudformation").describe_stacks(StackName="uploaded")["Stacks"]
    assert made["StackStatus"] == "CREATE_COMPLETE"


def commands(name):
    """The lines of a marked block of the page."""
    page = (stack.ROOT / "docs" / "install.md").read_text()
    [block] = re.findall(rf"<!-- test: {name} -->\n```\n(.*?)```\n", page, re.DOTALL)
    return block.splitlines()
