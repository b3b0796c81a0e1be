"""What is printed to be pasted is whole and well formed."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

from tonearm_local.account import Account
from tonearm_local.pasting import NAMES, snippet

VIDEO = Path("/a checkout/that's here/ode-to-joy.mp4")


@pytest.mark.parametrize("name", NAMES)
def test_a_snippet_is_filled_in_and_a_shell_can_read_it(name: str) -> None:
    text = snippet(name, url="http://127.0.0.1:20000", account=Account.generated(), video=VIDEO)

    assert "@@" not in text
    assert "127.0.0.1:20000" in text
    subprocess.run(["/bin/sh", "-n"], input=text.encode(), check=True)


def test_the_python_snippet_is_python() -> None:
    text = snippet("python", url="http://127.0.0.1:20000", account=Account.generated(), video=VIDEO)
    program = re.search(r"<<'PYTHON'\n(.*)\nPYTHON\n", text, re.DOTALL)

    assert program is not None
    assert str(VIDEO) in {
        node.value for node in ast.walk(ast.parse(program[1])) if isinstance(node, ast.Constant)
    }
