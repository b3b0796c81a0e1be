"""Name what no wheel carries: Envoy's template, the real servers' scripts, the data."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
ENVOY_RENDERER = ROOT / "deploy" / "envoy" / "render.py"
REAL_MARIADB = ROOT / "deploy" / "real" / "mariadb" / "run"
REAL_KAFKA = ROOT / "deploy" / "real" / "kafka" / "run"
BUILT_KAFKA = ROOT / ".build" / "kafka"
BUILT_PROGRAMS = ROOT / ".build" / "bin"
STACK = ROOT / ".tonearm" / "stack"
DEMO = ROOT / ".tonearm" / "demo"
