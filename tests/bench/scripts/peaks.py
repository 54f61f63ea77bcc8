"""On the host: the most memory that a process with one of the given words in its command line had; until stdin ends."""

import json
import os
import select
import sys
from contextlib import suppress
from pathlib import Path

peaks = dict.fromkeys(sys.argv[1:], 0.0)
while not select.select([sys.stdin], [], [], 0.02)[0]:
    for process in Path("/proc").glob("[0-9]*"):
        # A process may end while it is looked at.
        with suppress(OSError, StopIteration):
            command = (process / "cmdline").read_bytes().decode("utf-8", "replace")
            for word in peaks:
                if word in command and process.name != str(os.getpid()):
                    status = (process / "status").read_text().splitlines()
                    kibibytes = next(line.split()[1] for line in status if line.startswith("VmHWM:"))
                    peaks[word] = max(peaks[word], int(kibibytes) / 1024)
print(json.dumps(peaks))
