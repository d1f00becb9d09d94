"""Where the project keeps what tests read."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLES, BENCHMARKS, CHECKPOINTS = ROOT / "examples", ROOT / "benchmarks", ROOT / "checkpoints"
REFERENCE = ROOT.parent / "shared"  # numerical fixtures of the reference implementations; not part of the project
