"""Generate the typed stubs and Envoy's descriptor set when the wheel is built."""

from __future__ import annotations

import sys
from importlib import resources
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

from google.rpc import error_details_pb2
from grpc_tools import protoc
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# Every service answers errors with these details (AIP-193). No contract mentions them, yet Envoy
# needs their descriptors to write them as JSON.
ERROR_DETAILS = "google/rpc/error_details.proto"


class StubsHook(BuildHookInterface[Any]):
    """Run protoc over the contracts into a scratch directory that the wheel then includes."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the generated package to the wheel; an editable install gets a copy too."""
        self._out = Path(mkdtemp(prefix="tonearm-protos-"))
        generate(Path(self.root), self._out)
        included = {str(self._out / "tonearm"): "tonearm"}
        build_data["force_include"] = included
        build_data["force_include_editable"] = included

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the scratch directory, for the wheel has it all now."""
        rmtree(self._out)


def generate(root: Path, out: Path) -> None:
    """Write stubs, their types and `tonearm/descriptors.binpb` below `out`.

    Raises `RuntimeError` if protoc refuses a contract; its words are on stderr.
    """
    contracts = sorted(str(p.relative_to(root)) for p in root.glob("tonearm/**/*.proto"))
    includes = [
        f"-I{root}",
        f"-I{Path(error_details_pb2.__file__).parents[2]}",
        f"-I{resources.files('grpc_tools') / '_proto'}",
    ]
    package = out / "tonearm"
    package.mkdir(exist_ok=True)
    # mypy-protobuf's plugins stand beside the interpreter, which need not be on PATH.
    scripts = Path(sys.executable).parent
    run_protoc(
        [
            *includes,
            f"--plugin=protoc-gen-mypy={scripts / 'protoc-gen-mypy'}",
            f"--plugin=protoc-gen-mypy_grpc={scripts / 'protoc-gen-mypy_grpc'}",
            f"--python_out={out}",
            f"--grpc_python_out={out}",
            f"--mypy_out=quiet:{out}",
            f"--mypy_grpc_out=quiet:{out}",
            *contracts,
        ]
    )
    run_protoc(
        [
            *includes,
            "--include_imports",
            "--include_source_info",
            f"--descriptor_set_out={package / 'descriptors.binpb'}",
            *contracts,
            ERROR_DETAILS,
        ]
    )
    (package / "py.typed").touch()
    for directory in [package, *(d for d in package.rglob("*") if d.is_dir())]:
        (directory / "__init__.py").touch()


def run_protoc(arguments: list[str]) -> None:
    """Run protoc in this process; raise `RuntimeError` unless it succeeds."""
    status = protoc.main(["protoc", *arguments])
    if status != 0:
        message = f"protoc ended with status {status}"
        raise RuntimeError(message)
