"""Ports are free, remembered, and chosen anew when taken."""

from __future__ import annotations

import socket
from pathlib import Path

from tonearm_local.ports import HIGHEST, LOWEST, Ports, is_free


def test_a_port_is_below_those_of_outgoing_connections_and_free(tmp_path: Path) -> None:
    port = Ports(tmp_path / "ports.json").get("edge")

    assert LOWEST <= port <= HIGHEST < 32768
    assert is_free(port)


def test_a_free_port_is_remembered(tmp_path: Path) -> None:
    first = Ports(tmp_path / "ports.json").get("edge")

    assert Ports(tmp_path / "ports.json").get("edge") == first


def test_a_port_that_somebody_took_is_chosen_anew(tmp_path: Path) -> None:
    first = Ports(tmp_path / "ports.json").get("edge")

    with socket.create_server(("127.0.0.1", first)):
        second = Ports(tmp_path / "ports.json").get("edge")

    assert second != first
    assert Ports(tmp_path / "ports.json").get("edge") == second


def test_two_names_never_share_a_port(tmp_path: Path) -> None:
    ports = Ports(tmp_path / "ports.json")

    assert len({ports.get(str(number)) for number in range(50)}) == 50
