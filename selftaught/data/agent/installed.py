"""Packages of environments, which come with an extra."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from selftaught.errors import UserError


def is_installed(package: str) -> bool:
    """Return whether a package is there, without importing it."""
    return find_spec(package) is not None


def module(name: str, package: str) -> ModuleType:
    """Import a module of a package. Raises UserError, with what to install, if the package is missing."""
    if not is_installed(package):
        raise UserError(f"these environments need the package {package}: pip install 'selftaught[rl]'")
    return import_module(name)
