"""The scripts of release/ and what a release is made of. `make delivery` lints the workflow that calls them."""

import hashlib
import os
import re
import shutil
import subprocess

import pytest
import yaml

import stack

RELEASE = stack.ROOT / "release"
VERSION = re.search(r'^version = "(.*)"$', (stack.ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
# Stands for the command line of GitHub, with the files of a release in $RELEASED.
GH = """#!/usr/bin/env bash
set -eu
[[ "$1 $2" == "release download" ]]
tag=$3 && shift 3
while (($#)); do
  case $1 in
    --dir) mkdir -p "$2" && folder=$2 && shift ;;
    --repo) [[ $2 == owner/ebbtide ]] && shift ;;
    --pattern) names+=("$2") && shift ;;
  esac
  shift
done
for name in "${names[@]}"; do cp "$RELEASED/$tag/$name" "$folder"; done
"""


def run(script, *arguments, **more):
    given = {"capture_output": True, "text": True, "timeout": 60, **more}
    return subprocess.run([str(script), *map(str, arguments)], **given)


@pytest.fixture
def checkout(tmp_path):
    """What the scripts need of a checkout, with a section for the version in its changelog."""
    shutil.copytree(RELEASE, tmp_path / "release")
    shutil.copyfile(stack.ROOT / "Cargo.toml", tmp_path / "Cargo.toml")
    changelog = (stack.ROOT / "CHANGELOG.md").read_text()
    released = changelog.replace("## [Unreleased]\n", f"## [Unreleased]\n\n### Added\n\n- Later.\n\n## [{VERSION}] - 2026-12-01\n", 1)
    assert released != changelog
    (tmp_path / "CHANGELOG.md").write_text(f"{released}\n## [0.0.9] - 2026-01-01\n\n- Earlier.\n")
    return tmp_path


def test_the_notes_of_a_release_are_its_section_of_the_changelog(checkout):
    notes = run(checkout / "release" / "notes.sh", VERSION)
    assert notes.returncode == 0, notes.stderr
    assert "### Added" in notes.stdout
    assert "Later." not in notes.stdout and "Earlier." not in notes.stdout and "## [" not in notes.stdout


def test_a_tag_that_fits_neither_version_nor_changelog_makes_no_release(checkout):
    other = run(checkout / "release" / "notes.sh", "9.9.9")
    assert (other.returncode, other.stdout) == (1, "")
    assert "Cargo.toml" in other.stderr
    unreleased = run(RELEASE / "notes.sh", VERSION)
    assert (unreleased.returncode, unreleased.stdout) == (1, "")
    assert f"## [{VERSION}]" in unreleased.stderr


def archived(folder, name="ebbtide-x86_64-unknown-linux-musl"):
    """What a folder with a program becomes, in the folder of a release."""
    content = folder / "content"
    content.mkdir(parents=True)
    (content / "ebbtide").write_text("#!/bin/sh\necho released\n")
    (content / "ebbtide").chmod(0o700)
    done = run(RELEASE / "archive.sh", name, content, cwd=folder, env={**os.environ, "GIT_DIR": str(stack.ROOT / ".git")})
    assert done.returncode == 0, done.stderr
    return folder / f"{name}.tar.gz"


def test_an_archive_has_the_same_bytes_each_time(tmp_path):
    first, second = archived(tmp_path / "first"), archived(tmp_path / "second")
    assert first.read_bytes() == second.read_bytes()
    listed = subprocess.run(["tar", "--list", "--verbose", "--file", first], capture_output=True, text=True).stdout
    assert re.search(r"^-rwxr-xr-x 0/0 .* ebbtide-x86_64-unknown-linux-musl/ebbtide$", listed, re.MULTILINE)


@pytest.fixture
def job(tmp_path):
    """The action's first step in a job, with a release that `gh` downloads."""
    name = f"ebbtide-{os.uname().machine}-unknown-linux-musl"
    released = tmp_path / "releases" / f"v{VERSION}"
    archive = archived(released, name)
    checksum = hashlib.sha256(archive.read_bytes()).hexdigest()
    (released / "SHA256SUMS").write_text(f"{checksum}  {archive.name}\n{'0' * 64}  another.tar.gz\n")
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "gh").write_text(GH)
    (programs / "gh").chmod(0o755)
    env = {
        "PATH": f"{programs}:/usr/bin:/bin",
        "RELEASED": str(tmp_path / "releases"),
        "RUNNER_TEMP": str(tmp_path / "temp"),
        "GITHUB_PATH": str(tmp_path / "path"),
        "GITHUB_ACTION_PATH": str(stack.ROOT),
        "ACTION_REPOSITORY": "owner/ebbtide",
    }
    return archive, env


def test_the_action_installs_the_release_that_it_is_of(job):
    _, env = job
    done = run(RELEASE / "install.sh", env=env)
    assert done.returncode == 0, done.stderr
    [folder] = open(env["GITHUB_PATH"]).read().splitlines()
    assert subprocess.run([f"{folder}/ebbtide"], capture_output=True, text=True).stdout == "released\n"


def test_the_action_installs_nothing_whose_checksum_is_wrong(job):
    archive, env = job
    archive.write_bytes(archive.read_bytes() + b"\0")
    assert run(RELEASE / "install.sh", env=env).returncode != 0
    assert not os.path.exists(env["GITHUB_PATH"])


def test_the_page_and_the_action_name_what_the_workflow_publishes():
    jobs = yaml.safe_load((stack.ROOT / ".github" / "workflows" / "release.yml").read_text())["jobs"]
    published = set()
    for job in ("functions", "command-line"):
        [name] = re.findall(r'release/archive\.sh "(.*?)"', "\n".join(step.get("run", "") for step in jobs[job]["steps"]))
        for one in jobs[job]["strategy"]["matrix"]["include"]:
            published.add(name.replace("$ARCH", one.get("architecture", "")).replace("$TARGET", one["target"]))
    page = (stack.ROOT / "docs" / "install.md").read_text()
    assert set(re.findall(r"`(ebbtide-\S+)\.tar\.gz`", page)) == published
    installed = {f"ebbtide-{machine}-unknown-linux-musl" for machine in ("x86_64", "aarch64")}
    assert installed < published
    assert "name=ebbtide-$(uname -m)-unknown-linux-musl\n" in (RELEASE / "install.sh").read_text()


def test_the_image_is_built_with_the_toolchain_of_the_workspace():
    rust = re.search(r'^rust-version = "(.*)"$', (stack.ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
    assert f"/rust:{rust}-slim-" in (stack.ROOT / "Dockerfile").read_text()
