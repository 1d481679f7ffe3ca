"""The drain: an unreadable line is set aside, once, and stops nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from mlp_assets.endpoints.replica.prediction_log import drained
from mlp_assets.endpoints.replica.spool import FEEDBACK, PREDICTIONS, Spool, lines_set_aside, spooled_files

AT = "2024-05-10T00:00:00+00:00"


def told(identity: Any = "a-0", **changes: Any) -> dict[str, Any]:
    return {"prediction_id": [identity], "label": [1.0], "received_at": AT} | changes


def predicted(number: int, **changes: Any) -> dict[str, Any]:
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
    "a lone surrogate": json.dumps(told("\ud800")).encode(),
    "an id that is a number": json.dumps(told(7)).encode(),
    "ids that are no list": json.dumps(told() | {"prediction_id": "abc", "label": []}).encode(),
    "more labels than ids": json.dumps(told(label=[1.0, 0.0])).encode(),
    "a label that is a text": json.dumps(told(label=["yes"])).encode(),
    "no time": json.dumps(told(received_at="soon")).encode(),
    "a name that is missing": b'{"label": [1.0]}',
    "a list": b"[1, 2]",
    "no JSON": b'{"prediction_id": ["a-0"',
    "too deep": b"[" * 100_000,
    "not UTF-8": b'{"prediction_id": ["\xff"], "label": [1.0]}',
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_an_unreadable_line_is_set_aside_and_stops_nothing(tmp_path: Path, case: str) -> None:
    file = spooled(tmp_path, FEEDBACK, [told("before")])
    bad = UNREADABLE[case] + b"\n"
    with file.open("ab") as opened:
        opened.write(bad + json.dumps(told("after")).encode() + b"\n")
    for _ in range(2):  # a drain that died before its commit reads them again
        found = drained(file, 0, FEEDBACK)
        assert found is not None
        assert found[0]["prediction_id"].to_list() == ["before", "after"]
        assert found[1] == file.stat().st_size
        assert lines_set_aside(tmp_path, FEEDBACK) == 1
    place, why, line = file.with_name(f"{file.name}.refused").read_bytes().split(b"\t", 2)
    assert (int(place), line) == (len(json.dumps(told("before"), separators=(",", ":"))) + 1, bad)
    assert b"Error" in why
    assert spooled_files(tmp_path, FEEDBACK) == [file]


def test_a_file_of_unreadable_lines_only_is_done_with(tmp_path: Path) -> None:
    file = spooled(tmp_path, FEEDBACK, [told("\ud800"), told("\udfff")])
    assert drained(file, 0, FEEDBACK) is None
    assert drained(file, 0, FEEDBACK) is None
    assert (lines_set_aside(tmp_path, FEEDBACK), lines_set_aside(tmp_path, PREDICTIONS)) == (2, 0)


def test_what_a_killed_drain_had_half_set_aside_is_set_aside_whole(tmp_path: Path) -> None:
    file = spooled(tmp_path, FEEDBACK, [told("\ud800")])
    file.with_name(f"{file.name}.refused").write_bytes(b"0\tUnicodeEnc")
    drained(file, 0, FEEDBACK)
    (line,) = file.with_name(f"{file.name}.refused").read_bytes().splitlines()
    assert line.endswith(json.dumps(told("\ud800"), separators=(",", ":")).encode())


def test_predictions_whose_key_changed_its_type_are_drained_one_after_the_other(tmp_path: Path) -> None:
    renamed = predicted(2, types={"user_id": "String"}, keys={"user_id": ["two"]})
    file = spooled(tmp_path, PREDICTIONS, [predicted(1), renamed])
    offset, users = 0, []
    while (found := drained(file, offset, PREDICTIONS)) is not None:
        users.append(found[0]["user_id"].to_list())
        offset = found[1]
    assert users == [[1], ["two"]]
    assert lines_set_aside(tmp_path, PREDICTIONS) == 0


def test_a_prediction_row_says_which_versions_it_was_made_from_in_json(tmp_path: Path) -> None:
    bad = predicted(2, missing={"spending": [5]})
    found = drained(spooled(tmp_path, PREDICTIONS, [bad, predicted(1)]), 0, PREDICTIONS)
    assert found is not None
    (row,) = found[0].to_dicts()
    assert json.loads(row["view_versions"]) == {"spending": 7}
    assert (row["prediction_id"], row["missing_views"], row["degraded"]) == ("call-1", "spending", True)
    assert (row["partition"], row["at"].isoformat()) == ("2024-05-10", AT)
    assert lines_set_aside(tmp_path, PREDICTIONS) == 1
