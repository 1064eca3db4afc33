"""A process that converts a checkpoint: ``python -m … CHECKPOINT``; for the tests of conversion."""

from __future__ import annotations

import sys
from pathlib import Path

from immich_aio.engines.clip.conversion import converted

if __name__ == "__main__":
    sys.stdout.write("converting\n")
    sys.stdout.flush()
    sys.stdout.write(f"{converted(Path(sys.argv[1]), 'f32').folder}\n")
