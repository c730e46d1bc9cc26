"""Settings of the interpreter, in one that ends with the test."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import gc, sys
import service.app
from service.interpreter import SWITCH_S, prepare_for_serving
assert len(gc.get_objects()) > 10_000
prepare_for_serving()
assert gc.isenabled()
assert gc.get_freeze_count() > 10_000
assert len(gc.get_objects()) < 1000
assert sys.getswitchinterval() == SWITCH_S
"""


def test_what_is_there_before_serving_is_not_looked_through_again() -> None:
    subprocess.run([sys.executable, "-c", SCRIPT], check=True)
