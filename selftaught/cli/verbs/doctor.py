"""The verb that looks at the installation: doctor."""

from __future__ import annotations

from dataclasses import asdict

from selftaught.cli.output import Json, remark, show_json, table

MARKS = {"fine": "ok", "note": "--", "broken": "!!"}


def doctor(*, json_: Json = False) -> int:
    """Check this installation, and say how to fix what is wrong."""
    from selftaught.cli import installation

    found = installation.every()
    if json_:
        show_json([asdict(check) for check in found])
    else:
        table([{"": MARKS[c.state], "check": c.name, "found": c.found} for c in found], left=("", "check", "found"))
        for check in found:
            if check.fix:
                remark(f"{check.name}: {check.fix}")
    return 1 if any(check.state == "broken" for check in found) else 0
