"""Logs of several parts read as one story."""

from __future__ import annotations

from pathlib import Path

from tonearm_local.logs import Follower, recent


def test_lines_of_all_parts_are_merged_by_time_and_tracebacks_stay_whole(tmp_path: Path) -> None:
    gateway, envoy = tmp_path / "gateway.log", tmp_path / "envoy.log"
    gateway.write_text(
        '{"event": "second", "time": "2026-01-01T00:00:02.5Z"}\n'
        "Traceback of the second\n"
        '{"event": "fourth", "time": "2026-01-01T00:00:04Z"}\n'
    )
    envoy.write_text(
        "[2026-01-01 00:00:01.000][7][warning] first\n"
        '{"event": "third", "timestamp": "2026-01-01T00:00:03.25Z"}\n'
    )

    lines = recent({"gateway": gateway, "envoy": envoy}, 10)

    assert [line.part for line in lines] == ["envoy", "gateway", "gateway", "envoy", "gateway"]
    assert lines[2].text == "Traceback of the second"


def test_only_the_last_lines_are_shown(tmp_path: Path) -> None:
    log = tmp_path / "auth.log"
    log.write_text("one\ntwo\nthree\n")

    assert [line.text for line in recent({"auth": log}, 2)] == ["two", "three"]


def test_following_sees_only_what_is_added_and_waits_for_the_end_of_a_line(tmp_path: Path) -> None:
    log = tmp_path / "auth.log"
    log.write_text("before\n")
    follower = Follower({"auth": log, "envoy": tmp_path / "not-there-yet.log"})

    with log.open("a") as file:
        file.write("after\nhalf a li")
    assert [line.text for line in follower.added()] == ["after"]
    with log.open("a") as file:
        file.write("ne\n")
    assert [line.text for line in follower.added()] == ["half a line"]


def test_following_goes_on_after_a_rotation(tmp_path: Path) -> None:
    log = tmp_path / "auth.log"
    log.write_text("a long line from before\n")
    follower = Follower({"auth": log})

    log.rename(tmp_path / "auth.log.1")
    log.write_text("a long line from afterwards\n")

    assert [line.text for line in follower.added()] == ["a long line from afterwards"]
