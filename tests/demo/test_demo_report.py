"""What the demonstration says in the end, to people and to machines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from abaca.demo.report import Report


def tried(report: Report) -> None:
    """One check that passes."""
    with report.check("write", mode="single_svm", project="alice") as seen:
        seen["export"] = "192.0.2.1:/shares/1"


def failed(report: Report) -> None:
    """One that does not."""
    with report.check("read", mode="single_svm", project="alice"):
        raise OSError("stale")


@pytest.mark.parametrize(
    ("fails", "left", "code"), [(0, [], 0), (1, [], 1), (0, ["mount /x"], 1), (1, ["loop 7"], 1)]
)
def test_success_is_all_or_nothing(
    fails: int, left: list[str], code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is 0 only if all passed and nothing is left; last line and file agree."""
    report = Report(left_behind=left, modes=["single_svm"])
    tried(report)
    for _ in range(fails):
        failed(report)
    file = tmp_path / "report.json"
    assert report.finish(file) == code
    last = f"demo: 1 checks passed, {fails} failed, {len(left)} left behind"
    assert capsys.readouterr().out.splitlines()[-1] == last
    found = json.loads(file.read_text())
    assert (found["passed"], found["failed"], found["left_behind"]) == (1, fails, len(left))
    assert found["modes"] == ["single_svm"]
    assert len(found["checks"]) == 1 + fails
    assert all(check["seconds"] >= 0 for check in found["checks"])
    assert found["checks"][0]["evidence"] == {"export": "192.0.2.1:/shares/1"}
    assert all("stale" in check["evidence"]["error"] for check in found["checks"][1:])


def test_nothing_tried_is_a_failure() -> None:
    """A demonstration that showed nothing did not succeed."""
    assert Report().finish(None) == 1
