"""Fill in Envoy's configuration: the same for the local stack and for the container image.

    python render.py LISTEN_ADDRESS=127.0.0.1 LISTEN_PORT=8080 ... > envoy.json.yaml

Standard library only, so that it runs before anything is installed.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template

from local_replies import mappers

HERE = Path(__file__).parent
PLAIN = re.compile(r'[^"\\\x00-\x1f]+')


def render(template: str, values: Mapping[str, str]) -> str:
    """Replace each `${NAME}` of a template; Envoy's own `%...%` stays as it is.

    Raises `ValueError` that names what is missing and what the template does not know.
    """
    wanted = set(Template(template).get_identifiers())
    missing, unknown = sorted(wanted - values.keys()), sorted(values.keys() - wanted)
    if missing or unknown:
        message = f"missing: {', '.join(missing) or 'none'}; unknown: {', '.join(unknown) or 'none'}"
        raise ValueError(message)
    return Template(template).substitute(values)


def configuration(values: Mapping[str, str]) -> str:
    """Render `envoy.yaml` of this directory with the local replies and the Lua filter in place.

    Raises `ValueError` as `render` does, and for a value that would not stay inside its quotes.
    """
    broken = sorted(name for name, value in values.items() if not PLAIN.fullmatch(value))
    if broken:
        message = f"empty, quoted or more than a line: {', '.join(broken)}"
        raise ValueError(message)
    return render(
        (HERE / "envoy.yaml").read_text(encoding="utf-8"),
        {
            **values,
            # JSON is YAML on a single line.
            "LOCAL_REPLIES": json.dumps(mappers()),
            "STATUS_LUA": json.dumps((HERE / "status.lua").read_text(encoding="utf-8")),
        },
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the configuration for the NAME=value pairs on the command line."""
    parser = argparse.ArgumentParser(description="Fill in Envoy's configuration.")
    parser.add_argument("pairs", nargs="+", metavar="NAME=value", type=_pair)
    pairs: list[tuple[str, str]] = parser.parse_args(arguments).pairs
    try:
        text = configuration(dict(pairs))
    except ValueError as error:
        parser.error(str(error))
    sys.stdout.write(text)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        message = f"{text!r} is not NAME=value"
        raise argparse.ArgumentTypeError(message)
    return name, value


if __name__ == "__main__":
    main()
