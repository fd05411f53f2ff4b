"""The examples for schedulers hold: what can be run is run, what cannot is read as its reader would read it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance.shop import Shop
from tests.docs.pages import ROOT

NIGHTLY = ROOT / "examples" / "nightly"
PROGRAM = Path(sys.executable).with_name("audit")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def run(shop: Shop, *command: str) -> subprocess.CompletedProcess[str]:
    path = f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "GITHUB_STEP_SUMMARY": str(shop.directory / "summary.md")}
    return subprocess.run(
        command,
        cwd=shop.directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def at(text: str, directory: Path) -> str:
    """The command with the places of the example where the test has them."""
    return text.replace("/etc/audit/", f"{directory}/").replace("/srv/audit", str(directory))


def document(name: str) -> Any:
    return yaml.safe_load((NIGHTLY / name).read_text("utf-8"))


def test_the_script_passes_the_exit_code_on_and_writes_the_reports(shop: Shop) -> None:
    script = str(NIGHTLY / "audit.sh")
    assert run(shop, "sh", script).returncode == 0
    first = (shop.directory / "report.json").read_text()
    assert "Consistent" in (shop.directory / "report.html").read_text()
    shop.search("DELETE FROM order_search WHERE order_id = 3")
    assert run(shop, "sh", script).returncode == 1
    assert (shop.directory / "report.json").read_text() != first
    shop.replace_settings("shop.db", "none.db")
    done = run(shop, "sh", script)
    assert done.returncode == 2
    assert "none.db" in done.stderr


def test_every_line_of_the_crontab_runs(shop: Shop) -> None:
    shutil.copy(NIGHTLY / "audit.sh", shop.directory)
    lines = [line for line in (NIGHTLY / "crontab").read_text("utf-8").splitlines() if re.match(r"[\d*]", line)]
    assert len(lines) == 2
    for line in lines:
        assert all(re.fullmatch(r"\*|\d+", part) for part in line.split()[:5])
        done = run(shop, "sh", "-c", at(line.split(maxsplit=5)[5], shop.directory))
        assert (done.returncode, done.stderr) == (0, "")


def test_the_job_of_kubernetes_may_do_little_and_its_command_runs(shop: Shop) -> None:
    spec = document("kubernetes-cronjob.yaml")["spec"]
    assert (spec["concurrencyPolicy"], spec["jobTemplate"]["spec"]["backoffLimit"]) == ("Forbid", 0)
    pod = spec["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert not container["securityContext"]["allowPrivilegeEscalation"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    assert "emptyDir" in next(volume for volume in pod["volumes"] if volume["name"] == "work")
    done = run(shop, *(at(word, shop.directory) for word in container["command"]))
    assert (done.returncode, done.stderr) == (0, "")


def test_every_audit_of_the_workflow_runs(shop: Shop) -> None:
    workflow = document("github-actions.yaml")
    assert set(workflow) == {"name", True, "permissions", "concurrency", "jobs"}, "YAML 1.1 reads `on` as true"
    scripts = [step["run"] for step in workflow["jobs"]["audit"]["steps"] if "audit re" in step.get("run", "")]
    assert len(scripts) == 2
    for script in scripts:
        done = run(shop, "bash", "-e", "-c", script)
        assert (done.returncode, done.stdout) == (0, "")
    assert (shop.directory / "summary.md").read_text()
    assert "<testsuites" in (shop.directory / "report.xml").read_text()


def test_the_dag_is_python_and_its_command_runs(shop: Shop) -> None:
    text = (NIGHTLY / "airflow_dag.py").read_text("utf-8")
    compile(text, "airflow_dag.py", "exec")
    (command,) = re.findall(r"\[(\"audit\"[^\]]*)\]", text)
    words = [at(word.strip(' "'), shop.directory) for word in command.split(",")]
    assert run(shop, *words).returncode == 0, shlex.join(words)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    for name in ("audit.service", "audit.timer"):
        text = (NIGHTLY / name).read_text("utf-8")
        (tmp_path / name).write_text(at(text, tmp_path), "utf-8")
    shutil.copy(NIGHTLY / "audit.sh", tmp_path)
    (tmp_path / "audit.sh").chmod(0o755)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / "audit.timer"), str(tmp_path / "audit.service")],
        capture_output=True,
        text=True,
        check=False,
    )
    own = [line for line in done.stderr.splitlines() if "audit." in line]
    assert (done.returncode, own) == (0, [])
