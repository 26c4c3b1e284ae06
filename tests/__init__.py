"""What the tests share must be in place before PyTorch is imported."""

import os

# Threads that wait for each other leave their processors to the tests that run beside them.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# A killed process loses nothing that it has written; only a power cut would.
os.fsync = lambda fd: None  # noqa: ARG005
