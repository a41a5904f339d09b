"""What a recipe would run, and what that takes, before anything is run."""

from __future__ import annotations

from typing import Any

from .run import check_output, step_states
from .steps import RECKONED, Plan, Recipe, total


def describe(recipe: Recipe, plan: Plan, first: str | None = None) -> dict[str, Any]:
    """The steps of a recipe with their state and needs, as JSON; null is unknown.

    Raises
    ------
    ParameterError
        When there is no step ``first``.
    OutputExistsError
        When the folder is of another recipe.
    """
    check_output(recipe, plan)
    steps = recipe.steps(plan)
    states = step_states(steps, plan.output, first)
    rows = [
        {
            "name": step.name,
            "command": step.line,
            "makes": str(step.makes),
            "state": states[step.name],
            "download": step.needs.download,
            "disk": step.needs.disk,
            "gpu_hours": step.needs.gpu_hours,
            "first": step.needs.before,
            "how": list(step.needs.how),
        }
        for step in steps
    ]
    given = recipe.given(plan)
    missing = [f"{item.path} is yours to bring: {item.what}" for item in given]
    before = [f"Before {step.name}: {note}" for step in steps for note in step.needs.before]
    how = [f"{step.name}: {note}" for step in steps for note in step.needs.how]
    if any(step.needs.gpu_hours for step in steps):
        how.append(RECKONED)
    return {
        "recipe": recipe.name,
        "title": recipe.title,
        "output": str(plan.output),
        "steps": rows,
        "total": {
            key: total([getattr(step.needs, key) for step in steps])
            for key in ("download", "disk", "gpu_hours")
        },
        "notes": [*dict.fromkeys(missing + before + how)],
        "settings": [
            {"setting": s.name, "value": plan[s.name], "meaning": s.meaning}
            for s in recipe.settings
        ],
    }


def needs_rows(found: dict[str, Any]) -> list[dict[str, str]]:
    """The table of needs, for people."""
    rows = [*found["steps"], {"name": "all", "state": "", **found["total"]}]
    return [
        {
            "step": row["name"],
            "state": row["state"],
            "download": _bytes(row["download"]),
            "disk": _bytes(row["disk"]),
            "GPU hours": _hours(row["gpu_hours"]),
        }
        for row in rows
    ]


def _bytes(n: int | None) -> str:
    """Bytes in words: 3.1 MB.

    >>> _bytes(3_116_162)
    '3.1 MB'
    """
    if n is None:
        return "unknown"
    if not n:
        return "-"
    value, units = float(n), iter(("B", "kB", "MB", "GB"))
    unit = next(units)
    while value >= 1000 and (more := next(units, None)):
        value, unit = value / 1000, more
    return f"{value:,.0f} B" if unit == "B" else f"{value:,.1f} {unit}"


def _hours(hours: float | None) -> str:
    if hours is None:
        return "unknown"
    return f"{hours:.2g}" if hours else "-"
