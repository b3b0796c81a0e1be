"""A stack starts, stays up, stops, and leaves nothing that blocks the next start."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock
from stand_ins import assemble, log_text, recipe, stand_in

from tonearm_local import leftovers
from tonearm_local.blueprint import Blueprint, Group
from tonearm_local.ports import is_free
from tonearm_local.site import Site
from tonearm_local.stack import Busy, Stack
from tonearm_local.supervision import Supervisor
from tonearm_local.waiting import NotReady

AWKWARD = 'a checkout; with # 100%d of "it\'s" $HOME'


def eventually(condition: Callable[[], bool], seconds: float = 30) -> bool:
    """Wait for what another process is about to do."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Keep a stack for the tests that leave it running."""
    parts = recipe(one="good", two="good", three="good")
    with Stack(tmp_path_factory.mktemp("running"), recipe=parts) as stack:
        yield stack


def test_a_stack_runs_in_a_directory_of_any_name_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with Stack(tmp_path / AWKWARD, recipe=recipe(one="good", two="good")) as stack:
        states = {name: state.state for name, state in stack.states().items()}

    assert states == {"one": "running", "two": "running"}
    assert not stack.is_running()
    assert leftovers.find(stack.directory.root) == []


def test_starting_a_running_stack_changes_nothing(running: Stack) -> None:
    before = running.states()["one"].pid

    started = Stack(running.directory.root, recipe=recipe(one="good")).start()

    assert not started
    assert running.states()["one"].pid == before


def test_ports_are_the_same_after_a_restart(tmp_path: Path) -> None:
    stack = Stack(tmp_path, recipe=recipe(one="good"))
    with stack:
        first = stack.port_of("one")

    with stack:
        assert stack.port_of("one") == first


def test_two_stacks_run_side_by_side(tmp_path: Path) -> None:
    with (
        Stack(tmp_path / "left", recipe=recipe(one="good")) as left,
        Stack(tmp_path / "right", recipe=recipe(one="good")) as right,
    ):
        right.stop()

        assert left.states()["one"].state == "running"
        assert not set(left.blueprint.all_ports()) & set(right.blueprint.all_ports())


def test_a_part_that_does_not_listen_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    stack = Stack(tmp_path, recipe=recipe(one="good", two="deaf"), deadline_seconds=2.5)

    with pytest.raises(
        NotReady, match=r"two was not ready within .*(?s:.*)a stand-in that is deaf"
    ):
        stack.start()

    assert leftovers.find(tmp_path) == []


def test_a_part_that_keeps_dying_is_named_with_its_last_words(tmp_path: Path) -> None:
    stack = Stack(tmp_path, recipe=recipe(one="broken"), deadline_seconds=2.5)

    with pytest.raises(NotReady, match=r"one (?s:.*)cannot go on"):
        stack.start()


def test_a_part_that_was_killed_comes_back(running: Stack) -> None:
    before = running.states()["two"].pid

    os.kill(before, signal.SIGKILL)

    assert eventually(lambda: running.states()["two"].pid not in (0, before))


def test_a_part_that_need_not_settle_comes_back_however_often_it_is_killed(tmp_path: Path) -> None:
    def draw(site: Site) -> Blueprint:
        return assemble(site, replace(stand_in("one", site.ports.get("one")), settle_seconds=0))

    killed: set[int] = {0}
    with Stack(tmp_path, recipe=draw) as stack:
        for _ in range(8):  # the supervisor gives up others after five
            assert eventually(lambda: stack.states()["one"].pid not in killed)
            found = stack.states()["one"].pid
            os.kill(found, signal.SIGKILL)
            killed.add(found)

        assert eventually(lambda: stack.states()["one"].pid not in killed)


def test_a_killed_supervisor_leaves_nothing_that_blocks_the_next_start(tmp_path: Path) -> None:
    stack = Stack(tmp_path, recipe=recipe(one="parent", two="stubborn"))
    stack.start()
    control, ports = stack.blueprint.control, set(stack.blueprint.all_ports())
    left = leftovers.find(tmp_path)
    os.kill(Supervisor(control).process_id(), signal.SIGKILL)

    with stack:
        assert set(stack.blueprint.all_ports()) == ports
        assert not any(leftovers.runs(process) for process in left)


def test_stopping_finds_children_that_hid_in_their_own_session(tmp_path: Path) -> None:
    stack = Stack(tmp_path, recipe=recipe(one="parent"))
    stack.start()

    ended = stack.stop()

    assert ended == ["sleep"]
    assert leftovers.find(tmp_path) == []


def test_a_program_of_somebody_else_is_no_leftover(tmp_path: Path) -> None:
    other = subprocess.Popen(
        ["/bin/sleep", "60"], cwd=tmp_path, env={leftovers.MARK: str(tmp_path / "other")}
    )
    try:
        assert leftovers.end(tmp_path) == []
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_port_that_was_lost_after_it_was_chosen_is_chosen_anew(tmp_path: Path) -> None:
    taken: list[socket.socket] = []

    def lose_the_first(site: Site) -> Blueprint:
        blueprint = assemble(site, stand_in("one", site.ports.get("one")))
        if not taken:
            taken.append(socket.create_server(("127.0.0.1", blueprint.parts[0].ports[0])))
        return blueprint

    stack = Stack(tmp_path, recipe=lose_the_first, deadline_seconds=3)
    try:
        with stack:
            assert stack.port_of("one") != taken[0].getsockname()[1]
    finally:
        taken[0].close()


def test_whoever_comes_second_is_told_that_somebody_is_at_it(tmp_path: Path) -> None:
    stack = Stack(tmp_path, recipe=recipe(one="good"))

    with FileLock(stack.directory.lock), pytest.raises(Busy):
        stack.start()


def test_parts_stop_in_the_order_services_edge_stores(tmp_path: Path) -> None:
    def draw(site: Site) -> Blueprint:
        groups = {"store": Group.STORES, "edge": Group.EDGE, "service": Group.SERVICES}
        return assemble(
            site, *(stand_in(name, site.ports.get(name), "good", g) for name, g in groups.items())
        )

    with Stack(tmp_path, recipe=draw) as stack:
        pass

    log = log_text(stack.log_of("supervisor"))
    assert log.index("stopped: service") < log.index("stopped: edge") < log.index("stopped: store")


def test_what_is_secret_is_for_the_owner_alone(running: Stack) -> None:
    directory = running.directory
    files = [directory.secrets, directory.blueprint, directory.run / "supervisord.conf"]
    files.append(directory.log_of("one"))

    assert [file.stat().st_mode & 0o777 for file in files] == [0o600] * 4


def test_one_part_is_stopped_and_started_alone(running: Stack) -> None:
    port = running.port_of("three")

    running.stop_part("three")
    assert is_free(port)
    running.start_part("three")

    assert running.states()["three"].state == "running"


def test_an_interrupted_start_leaves_nothing_behind(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from stand_ins import recipe;"
        "from tonearm_local.stack import Stack;"
        "Stack(Path(sys.argv[1]), recipe=recipe(one='deaf')).start()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.DEVNULL,
    ) as starting:
        begun = eventually((tmp_path / "logs" / "one.log").exists)
        starting.send_signal(signal.SIGINT)
        status = starting.wait()

    assert begun
    assert status != 0
    assert leftovers.find(tmp_path) == []
