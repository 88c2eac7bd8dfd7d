"""What a cell's logs say about it."""

from dataclasses import replace
from pathlib import Path

from records.cell import BY_GUNICORN, WorkerDeath
from stress.last_words import LONGEST, MOST_LOG_BYTES, read_end
from stress.logged_reasons import MOST_FAULTS, add_logged_reasons
from tests.unit.samples import record

FAULT = "OSError: [Errno 24] Too many open files"


def test_reasons_are_in_any_log_and_counted_once(tmp_path: Path) -> None:
    deaths = (WorkerDeath(3.0, 7, "ended by itself"), WorkerDeath(4.0, 8, "ended by itself"))
    server, load = tmp_path / "server.log", tmp_path / "load.log"
    earlier = f"an earlier cell: {FAULT}\n"
    server.write_text(f"{earlier}[1] [CRITICAL] WORKER TIMEOUT (pid:7)\n{'A' * 100_000} emfile\n")
    load.write_text(f"{FAULT}\n")
    logs, lengths = [server, load, tmp_path / "gone.log"], {server: len(earlier)}
    found = add_logged_reasons(replace(record(), deaths=deaths), logs, lengths)
    assert [each.cause for each in found.deaths] == [BY_GUNICORN, "ended by itself"]
    assert found.log_faults == (FAULT, "A" * LONGEST)
    load.write_text(f"{FAULT}\n" * 9)
    assert add_logged_reasons(record(), [load], {}).log_faults == (FAULT,) * MOST_FAULTS


def test_a_word_that_contains_the_error_s_name_is_no_error(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text("SystemFile loaded\nGET /itemfile 200\n[Errno 24] EMFILE\n")
    assert add_logged_reasons(record(), [log], {}).log_faults == ("[Errno 24] EMFILE",)


def test_only_the_end_of_a_log_is_read(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    with log.open("wb") as file:
        file.seek(10 * MOST_LOG_BYTES)  # a hole, which takes no disk
        file.write(b"end")
    assert len(read_end(log, MOST_LOG_BYTES)) == MOST_LOG_BYTES
    assert read_end(log, 5, 10 * MOST_LOG_BYTES + 1) == "nd"
