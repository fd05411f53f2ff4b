"""Parquet against Parquet, beside datacompy on Polars, its fastest back end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import orders, rival
from benchmarks.figures import Demand, show
from benchmarks.process import Contender, in_turn
from benchmarks.servers import audit, check_count

if TYPE_CHECKING:
    from pathlib import Path

DATACOMPY = """\
import sys
import polars as pl
from datacompy import PolarsCompare
left, right = (pl.read_parquet(path) for path in sys.argv[1:3])
compared = PolarsCompare(left, right, join_columns=["id"], df1_name="owner", df2_name="replica")
print(compared.matches(), compared.report()[:2000])
"""

_ROWS = """\
SELECT i AS id, CAST(md5(CAST(i AS VARCHAR)) AS VARCHAR) AS customer_id,
  CASE WHEN {wrong} THEN 'wrong' ELSE ['new', 'paid', 'shipped', 'done'][1 + i % 4] END AS status,
  'user' || (i % 100000) || '@example.com' AS email,
  CAST((i % 10000) / 100.0 AS DECIMAL(10,2)) AS subtotal, CAST((i % 1000) / 100.0 AS DECIMAL(10,2)) AS tax,
  CAST((i % 10000) / 100.0 + (i % 1000) / 100.0 AS DECIMAL(12,2)) AS total,
  TIMESTAMP '2024-01-01' + to_seconds(i) AS created_at,
  TIMESTAMP '2024-01-01' + to_microseconds(i * 1500000) AS updated_at
FROM range(1, {rows} + 1) r(i)"""


def compare_parquet(directory: Path, *, rows: int, rounds: int) -> bool:
    """Ten million rows a side, 100 of which differ."""
    import duckdb

    directory.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect()
    differences = 100
    step = rows // differences
    for name, wrong in (("owner", "false"), ("replica", f"i % {step} = 1")):
        path = directory / f"{name}.parquet"
        connection.execute(f"COPY ({_ROWS.format(rows=rows, wrong=wrong)}) TO '{path}' (FORMAT parquet)")
    connection.close()
    settings = orders.project(directory, owner="file:.", replica="file:.", tables=("owner.parquet", "replica.parquet"))
    script = directory / "rival.py"
    script.write_text(DATACOMPY)
    python = rival.environment("datacompy", rival.DATACOMPY) / "python"
    paths = [str(directory / f"{name}.parquet") for name in ("owner", "replica")]
    runs = in_turn(
        [audit(settings), Contender("datacompy (polars)", [str(python), str(script), *paths])], directory, rounds=rounds
    )
    met = show(
        f"Parquet against Parquet, {rows:,} rows, {differences} differ",
        runs,
        "audit",
        [Demand("datacompy (polars)", at_least=1.0)],
    )
    check_count(settings, differences)
    return met
