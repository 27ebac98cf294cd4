"""Source distributions, for what only they have: tests, and their data. None of it is kept here."""

import re
import subprocess
import sys

import stack


def distribution(name, version):
    """The archive of the version that requirements.txt pins with its hash."""
    archive = stack.ROOT / "target" / f"{name}-{version}.tar.gz"
    if not archive.exists():
        pinned = re.search(rf"^{name}(?:\[.*\])?==(?:.*\\\n)+.*\n", (stack.HERE / "requirements.txt").read_text(), re.MULTILINE)[0]
        only = archive.with_suffix(".txt")
        only.write_text(pinned)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        pip += ["--require-hashes", "--no-binary", name, "--no-build-isolation", "--dest", archive.parent]
        subprocess.run([*pip, "--requirement", only], check=True, timeout=120)
    return archive
