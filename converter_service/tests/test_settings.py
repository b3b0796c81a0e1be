"""What the README says about settings is so."""

from __future__ import annotations

import re
from pathlib import Path

from converter_service.settings import Settings

README = Path(__file__).parents[1] / "README.md"


def test_the_readme_lists_every_setting_and_its_meaning() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \|.*\| (.+) \|$", README.read_text(), re.MULTILINE)

    settings = {name.upper(): field.description for name, field in Settings.model_fields.items()}

    assert dict(rows) == settings
