from __future__ import annotations

import numpy as np
import torch

from selftaught.parts.turns import turned


def test_four_turns_side_by_side() -> None:
    image = torch.arange(2 * 3 * 4 * 4.0).view(2, 3, 4, 4)
    found = turned(image)
    assert found.shape == (8, 3, 4, 4)
    for i in range(2):
        assert torch.equal(found[4 * i], image[i])
        for r in range(4):
            expected = torch.from_numpy(np.rot90(image[i].numpy(), r, (1, 2)).copy())
            assert torch.equal(found[4 * i + r], expected)
