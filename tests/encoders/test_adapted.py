from __future__ import annotations

import subprocess
import sys

import pytest

from selftaught import encoders
from selftaught.errors import UserError

INPUT = {"kind": "image", "size": 32, "channels": 3, "mean": [0.5] * 3, "std": [0.2] * 3}


@pytest.mark.parametrize(("family", "package"), [("timm", "timm"), ("hf", "transformers")])
def test_a_missing_library_is_one_sentence(monkeypatch: pytest.MonkeyPatch, family: str, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=rf"encoders {family}/NAME need the package {package}: pip install 'selftaught"):
        encoders.build(f"{family}/resnet", INPUT)


def test_names_of_other_libraries_are_known_without_them() -> None:
    assert encoders.known("timm/anything") and encoders.known("hf/a/b") and not encoders.known("timm/")
    assert not encoders.known("other/resnet18")
    assert encoders.sees("timm/resnet18") == ("image",)
    assert not any("/" in name for name in encoders.names())
    assert {"timm", "hf"}.isdisjoint(encoders.names())
    assert [a.name for a in encoders.arguments("hf/vit")] == ["config", "pool"]


def test_a_torchvision_for_another_torch_does_not_stand_in_the_way() -> None:
    """What such a torchvision does as it is imported: it describes operators that did not load."""
    code = """
import sys, types, torch
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
class Broken(MetaPathFinder, Loader):
    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(name, self) if name in ("torchvision", "needs_it") else None
    def create_module(self, spec): return None
    def exec_module(self, module):
        if module.__name__ == "torchvision":
            for name in ("nms", "qnms"):
                torch.library.register_fake(f"torchvision::{name}")(lambda dets, scores, threshold: dets)
        else:
            import torchvision
            module.fine = True
sys.meta_path.insert(0, Broken())
from selftaught.encoders.adapted import library
print(library("needs_it", "timm").fine)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "True", done.stderr[-500:]
