"""How Python itself is set, so that it does not keep the event loop waiting."""

from __future__ import annotations

import gc
import sys

SWITCH_S = 0.001
"""After which a thread that computes gives way; answers are rendered in threads."""


def prepare_for_serving() -> None:
    """Call it once all modules are imported and the application is made, before serving begins.

    What is there by then stays until the end, and is not looked through again for what may be
    freed: that took 45 ms now and then, in which nobody was answered.
    """
    sys.setswitchinterval(SWITCH_S)
    gc.collect()
    gc.freeze()
