"""The audit as an Airflow DAG: drift fails the task, and so does trouble, each in its own words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.exceptions import AirflowFailException
from airflow.sdk import dag, task


@dag(schedule="30 2 * * *", start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False, max_active_runs=1)
def audit() -> None:
    """Compare the copies of our data with their owners, each night."""

    @task(retries=0, execution_timeout=timedelta(hours=4))  # drift does not go away by trying again
    def reconcile() -> None:
        import subprocess

        done = subprocess.run(
            ["audit", "reconcile", "--config", "/srv/audit/auditor.yaml"],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        print(done.stdout)
        if done.returncode == 1:
            raise AirflowFailException("drift: the report is above, `audit findings --open` lists it")
        if done.returncode:
            raise AirflowFailException("the audit could not look: the reasons are above")

    reconcile()


audit()
