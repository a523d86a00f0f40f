"""The rules for Prometheus and the dashboard for Grafana name metrics that there are."""

import json
import re
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from chesscoach.alerts import alert
from chesscoach.config import JobLimits
from chesscoach.emails.store.outbox_values import STATES
from chesscoach.schedules.outcome import RUN_OUTCOMES, SKIP_OUTCOMES
from chesscoach.web import metric_families
from tests.support.exposed_metrics import exposed_metrics
from tests.support.project_files import DOCS

MONITORING = DOCS / "monitoring"
(RULES,) = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"]
ALERTS: dict[str, dict[str, Any]] = {rule["alert"]: rule for rule in RULES["rules"]}
DASHBOARD: dict[str, Any] = json.loads((MONITORING / "grafana.json").read_text())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
VALUES: dict[str, set[str]] = {
    "outcome": {*RUN_OUTCOMES, *SKIP_OUTCOMES, "sent", "failed"},
    "state": {*STATES, *metric_families.STATES, *get_args(alert.State)},
    "status": {"403", "429"},
    "event": {"spamreport", "delivered", "bounce", "processed"},
}


def labels_of(expression: str) -> set[str]:
    """The labels of the metrics of an expression, after a check of all that it names."""
    metrics = exposed_metrics()
    labels = {"instance", "le"}
    asked = re.findall(r"(chesscoach_[a-z_]+)(?:\{([^}]*)\})?", expression)
    assert asked, expression
    for metric, selector in asked:
        known = metrics[metric.removesuffix("_bucket")]
        labels |= known
        for label, value in re.findall(r'([a-z_]+)=~?"([^"]*)"', selector):
            assert label in known, expression
            assert set(value.split("|")) <= VALUES[label], expression
    for grouped in re.findall(r"by \(([a-z_, ]+)\)", expression):
        assert set(grouped.split(", ")) <= labels, expression
    return labels


def test_each_alert_is_explained_to_operators_and_shown_to_fire() -> None:
    guide = (DOCS / "monitoring.md").read_text()
    shown = yaml.safe_load((MONITORING / "alerts.test.yaml").read_text())["tests"]
    cases = [case for test in shown for case in test["alert_rule_test"]]
    firing = {case["alertname"] for case in cases if case["exp_alerts"]}
    quiet = {case["alertname"] for case in cases if not case["exp_alerts"]}

    assert re.findall(r"^\| `(Chesscoach[A-Za-z]+)` \|", guide, re.MULTILINE) == list(ALERTS)
    assert firing == set(ALERTS)
    assert {"ChesscoachAlertFires", "ChesscoachAlertsNotSent"} <= quiet


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_asks_for_metrics_labels_and_values_that_there_are(name: str) -> None:
    rule = ALERTS[name]
    labels = labels_of(rule["expr"])

    for label in re.findall(r"\$labels\.([a-z_]+)", rule["annotations"]["summary"]):
        assert label in labels


def test_a_run_hangs_only_when_it_should_have_been_stopped() -> None:
    (limit,) = re.findall(r"> (\d+)$", ALERTS["ChesscoachRunHangs"]["expr"])

    assert int(limit) > JobLimits().timeout_s


@pytest.mark.parametrize("panel", PANELS, ids=[panel["title"] for panel in PANELS])
def test_a_panel_asks_for_metrics_labels_and_values_that_there_are(panel: dict[str, Any]) -> None:
    assert panel["targets"]
    for target in panel["targets"]:
        labels = labels_of(target["expr"])
        assert target["datasource"] == panel["datasource"]
        assert target["datasource"]["uid"] == "${datasource}", "the one that the user selects"
        assert set(re.findall(r"\{\{([a-z_]+)\}\}", target["legendFormat"])) <= labels


def test_no_two_panels_overlap_or_have_the_same_id() -> None:
    places = [panel["gridPos"] for panel in PANELS]

    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)
    assert all(place["x"] + place["w"] <= 24 for place in places)


@pytest.mark.promtool
def test_each_alert_fires_when_it_should_and_not_before() -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", "promtool test rules alerts.test.yaml"],
        cwd=MONITORING,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.promtool
def test_promtool_reads_each_expression_of_the_dashboard(tmp_path: Path) -> None:
    expressions = [target["expr"] for panel in PANELS for target in panel["targets"]]
    rules = [{"record": f"panel:{n}", "expr": text} for n, text in enumerate(expressions)]
    groups = {"groups": [{"name": "dashboard", "rules": rules}]}
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(groups))

    done = subprocess.run(
        ["/bin/sh", "-c", "promtool check rules --lint=none rules.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout + done.stderr
