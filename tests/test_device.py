import json
import os
import platform
import subprocess
import sys

import pytest

CHURN = """
import json, resource, torch
from selftaught.device import keep_memory
kept = keep_memory()
torch.set_num_threads(1)
faults = []
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(3 << 20)  # 12 MB
        [torch.ones(1 << 19) for _ in range(8)]
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(json.dumps([kept, faults[-1]]))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries decide for themselves")
@pytest.mark.parametrize("own", [{}, {"MALLOC_TRIM_THRESHOLD_": "0"}])
def test_memory_is_kept_for_the_next_tensors_unless_the_environment_says_otherwise(own: dict[str, str]) -> None:
    found = subprocess.run(
        [sys.executable, "-c", CHURN], env=os.environ | own, capture_output=True, text=True, check=True
    )
    kept, faults = json.loads(found.stdout)
    assert kept == (not own)
    pages = 20 * (12 + 16) * 256  # if each were new
    assert faults < 0.05 * pages if kept else faults > 0.2 * pages
