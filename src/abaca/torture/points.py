"""Where a process may die: every step, and every commit of the database, before and after it."""

from __future__ import annotations

from abaca import steps

SIDES = ("before", "after")
OF_PLUGINS = ("neutron.", "nova.")
"""Steps of plugins that need a cloud: tests/neutron and tests/nova kill at each of them."""


def every() -> list[str]:
    """The names of all fault points, as far as they are known before anything runs.

    A commit in a step is ``commit.STEP``, for those steps that have one.
    """
    import_all()
    names = [*steps.names(), *(f"commit.{name}" for name in steps.commits())]
    return [f"{name}:{side}" for name in sorted(names) for side in SIDES]


def import_all() -> None:
    """Import every module that has steps."""
    import abaca.drivers.fake  # noqa: PLC0415
    import abaca.drivers.linux  # noqa: PLC0415
    import abaca.manager.manager  # noqa: PLC0415
    import abaca.network.neutron  # noqa: PLC0415
    import abaca.network.nova  # noqa: PLC0415
    import abaca.network.standalone  # noqa: F401, PLC0415
