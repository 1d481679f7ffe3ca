"""Reading the spool: an unreadable line is set aside once, and does not block the lines after it."""

import json
from pathlib import Path
from typing import Any

import pytest

from mlp_assets.endpoints.replica.prediction_log import read_rows
from mlp_assets.endpoints.replica.spool import FEEDBACK, PREDICTIONS, Spool, count_set_aside, spooled_files

AT = "2024-05-10T00:00:00+00:00"


def feedback(identity: Any = "a-0", **changes: Any) -> dict[str, Any]:
    return {"prediction_id": [identity], "label": [1.0], "received_at": AT} | changes


def prediction(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "ids": [f"call-{number}"], "endpoint": "score", "model_version": "3", "requested_at": AT, "at": AT,
        "types": {"user_id": "Int64"}, "keys": {"user_id": [number]}, "inputs": {"spend": [None]}, "prediction": [0.5],
        "missing": {"spending": [0]}, "expired": {}, "view_versions": {"spending": 7},
    } | changes  # fmt: skip


def spooled(folder: Path, kind: str, entries: list[dict[str, Any]]) -> Path:
    spool = Spool(folder)
    for entry in entries:
        spool.append(kind, entry)
    (file,) = spooled_files(folder, kind)
    return file


UNREADABLE: dict[str, bytes] = {
    "a lone surrogate": json.dumps(feedback("\ud800")).encode(),
    "an id that is a number": json.dumps(feedback(7)).encode(),
    "ids that are no list": json.dumps(feedback() | {"prediction_id": "abc", "label": []}).encode(),
    "more labels than ids": json.dumps(feedback(label=[1.0, 0.0])).encode(),
    "a label that is a text": json.dumps(feedback(label=["yes"])).encode(),
    "no time": json.dumps(feedback(received_at="soon")).encode(),
    "a name that is missing": b'{"label": [1.0]}',
    "a list": b"[1, 2]",
    "no JSON": b'{"prediction_id": ["a-0"',
    "too deep": b"[" * 100_000,
    "not UTF-8": b'{"prediction_id": ["\xff"], "label": [1.0]}',
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_an_unreadable_line_is_set_aside_and_blocks_nothing(tmp_path: Path, case: str) -> None:
    file = spooled(tmp_path, FEEDBACK, [feedback("before")])
    bad = UNREADABLE[case] + b"\n"
    with file.open("ab") as opened:
        opened.write(bad + json.dumps(feedback("after")).encode() + b"\n")
    for _ in range(2):  # a drain that died before its commit reads them again
        found = read_rows(file, 0, FEEDBACK)
        assert found is not None
        assert found[0]["prediction_id"].to_list() == ["before", "after"]
        assert found[1] == file.stat().st_size
        assert count_set_aside(tmp_path, FEEDBACK) == 1
    place, reason, line = file.with_name(f"{file.name}.refused").read_bytes().split(b"\t", 2)
    assert (int(place), line) == (len(json.dumps(feedback("before"), separators=(",", ":"))) + 1, bad)
    assert b"Error" in reason
    assert spooled_files(tmp_path, FEEDBACK) == [file]


def test_a_file_of_unreadable_lines_only_has_no_rows(tmp_path: Path) -> None:
    file = spooled(tmp_path, FEEDBACK, [feedback("\ud800"), feedback("\udfff")])
    assert read_rows(file, 0, FEEDBACK) is None
    assert read_rows(file, 0, FEEDBACK) is None
    assert (count_set_aside(tmp_path, FEEDBACK), count_set_aside(tmp_path, PREDICTIONS)) == (2, 0)


def test_a_line_that_a_killed_drain_set_aside_in_part_is_replaced(tmp_path: Path) -> None:
    file = spooled(tmp_path, FEEDBACK, [feedback("\ud800")])
    file.with_name(f"{file.name}.refused").write_bytes(b"0\tUnicodeEnc")
    read_rows(file, 0, FEEDBACK)
    (line,) = file.with_name(f"{file.name}.refused").read_bytes().splitlines()
    assert line.endswith(json.dumps(feedback("\ud800"), separators=(",", ":")).encode())


def test_predictions_whose_key_changed_its_type_are_read_one_after_the_other(tmp_path: Path) -> None:
    renamed = prediction(2, types={"user_id": "String"}, keys={"user_id": ["two"]})
    file = spooled(tmp_path, PREDICTIONS, [prediction(1), renamed])
    offset, users = 0, []
    while (found := read_rows(file, offset, PREDICTIONS)) is not None:
        users.append(found[0]["user_id"].to_list())
        offset = found[1]
    assert users == [[1], ["two"]]
    assert count_set_aside(tmp_path, PREDICTIONS) == 0


def test_a_prediction_row_holds_the_versions_that_it_was_made_from_as_json(tmp_path: Path) -> None:
    bad = prediction(2, missing={"spending": [5]})
    found = read_rows(spooled(tmp_path, PREDICTIONS, [bad, prediction(1)]), 0, PREDICTIONS)
    assert found is not None
    (row,) = found[0].to_dicts()
    assert json.loads(row["view_versions"]) == {"spending": 7}
    assert (row["prediction_id"], row["missing_views"], row["degraded"]) == ("call-1", "spending", True)
    assert (row["partition"], row["at"].isoformat()) == ("2024-05-10", AT)
    assert count_set_aside(tmp_path, PREDICTIONS) == 1
