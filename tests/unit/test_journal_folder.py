"""A folder of journals that several processes, containers or starts share."""

import json
from dataclasses import asdict
from pathlib import Path

import polars as pl
import pytest

from records import build_tables
from records.build_probe_tables import PROBE_TABLES
from records.build_tables import read_journals
from records.journal import Journal
from records.process_ids import MOST_PER_PID, PID_UNIT, get_pid, make_process_id
from study.journal_folder import Launch, build_record
from tests.probe.journal_support import written
from tests.unit.test_trial_reports import PROCESS

SERVED, BLOCKED = 32, 2


def write_shared_folder(folder: Path) -> None:
    """Two containers with process 1: one serves /orders, the other is blocked in /slow."""
    with written(folder, 1, 10.0) as journal:
        for visit in range(1, SERVED + 1):
            journal.add_request(visit, "/orders", 10.0 + visit, 10.5 + visit)
            journal.add_sample(10.0 + visit)
    with written(folder, 1, 11.0) as journal:
        for number in range(1, BLOCKED + 1):
            began_s = 11.0 + number
            journal.add_request(number, "/slow", began_s, began_s + 0.5)
            journal.add("b", stretch=number, began_s=began_s, ended_s=began_s + 0.5, visit=number)
            journal.add("c", stretch=number, at_s=began_s + 0.1, visit=number, stack="[]")
            journal.add_sample(began_s)


def test_processes_with_the_same_pid_keep_their_rows_apart(tmp_path: Path) -> None:
    write_shared_folder(tmp_path)
    journals, lost = read_journals(sorted(tmp_path.glob("probe-*.journal")))
    assert not lost
    tables = {name: build(journals, 0.0, 99.0) for name, build in PROBE_TABLES.items()}
    served = tables["handlers"].unique(["pid", "visit"])
    assert served["route"].value_counts().sort("route").rows() == [
        ("/orders", SERVED), ("/slow", BLOCKED)
    ]  # fmt: skip
    assert tables["probe"]["pid"].n_unique() == 2
    assert {get_pid(each) for each in tables["probe"]["pid"]} == {1}
    joined = tables["blocks"].join(tables["handlers"], ["pid", "visit"])
    assert joined.select("route", "route_right").unique().rows() == [("/slow", "/slow")]
    assert tables["block_stacks"].join(tables["blocks"], ["pid", "stretch"]).height == BLOCKED


def test_reports_of_processes_with_the_same_pid_have_the_numbers_of_their_journals(
    tmp_path: Path,
) -> None:
    write_shared_folder(tmp_path)
    for began_s, stopped in ((10.0, "of the first"), (11.0, "of the second")):
        report = {**asdict(PROCESS), "pid": 1, "stopped": stopped}
        (tmp_path / f"attach-1-{began_s:.6f}.json").write_text(json.dumps(report))
    record = build_record(tmp_path, Launch(), 0.0, 99.0)
    journals, _ = read_journals(sorted(tmp_path.glob("probe-*.journal")))
    assert {each.pid: each.stopped for each in record.processes} == {
        journals[0].about["pid"]: "of the first",
        journals[1].about["pid"]: "of the second",
    }


def test_too_many_processes_with_one_pid_are_missing_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_tables, "MOST_PER_PID", 1)
    write_shared_folder(tmp_path)
    journals, lost = read_journals(sorted(tmp_path.glob("probe-*.journal")))
    assert [each.about["pid"] for each in journals] == [1]
    assert lost == ("probe-1-11.000.journal",)


def test_the_largest_number_is_a_pid_of_every_table() -> None:
    """polars reads a literal of more than 31 bits as another type than a smaller one."""
    table = pl.DataFrame({"at_s": [1.0]})
    pids = (1, make_process_id(PID_UNIT - 1, MOST_PER_PID - 1))
    journals = [Journal({"pid": each}, {"s": table}) for each in pids]
    assert PROBE_TABLES["probe"](journals, 0.0, 9.0)["pid"].to_list() == list(pids)
