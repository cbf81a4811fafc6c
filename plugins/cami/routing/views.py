"""The views of routing as JSON (docs/architecture.md §4)."""

from datetime import datetime
from typing import Any

from cami.clock import iso
from cami.region.validation import where
from cami.routing.dry_run import RuleOutcome, Run, StudyOutcome
from cami.routing.forwardings import Totals
from cami.routing.phrases import say, say_actions
from cami.routing.reading import InvalidRules
from cami.routing.rules import Rule
from cami.routing.service import DestinationView, Overview
from cami.routing.states import WAITING, State
from cami.routing.versions import Version


def overview_json(overview: Overview) -> dict[str, Any]:
    """Return the rules in force and their destinations."""
    return {
        "version": overview.version,
        "content": overview.latest.content if overview.latest is not None else "",
        "trouble": overview.trouble,
        "rules": [rule_json(rule) for rule in overview.rules.rules],
        "centre": {
            "version": overview.centre.version,
            "trouble": overview.centre.trouble,
            "rules": [rule_json(rule) for rule in overview.centre.rules.rules],
        },
        "destinations": [_destination(view) for view in overview.destinations],
        "shares_waiting": dict(overview.notices),
    }


def rule_json(rule: Rule) -> dict[str, Any]:
    """Return a rule in words."""
    return {
        "name": rule.name,
        "comment": rule.comment,
        "enabled": rule.enabled,
        "when": say(rule.when),
        "then": say_actions(rule.then),
    }


def _destination(view: DestinationView) -> dict[str, Any]:
    known = {"name": view.name, "title": view.title, "kind": view.kind, "address": view.address}
    return known | _totals(view.totals)


def _totals(totals: Totals | None) -> dict[str, Any]:
    counts = totals.counts if totals is not None else {}
    return {
        "waiting": sum(counts.get(state, 0) for state in WAITING),
        "delivered": counts.get(State.DELIVERED, 0),
        "failed": counts.get(State.FAILED, 0),
        "cancelled": counts.get(State.CANCELLED, 0),
        "waiting_bytes": totals.waiting_bytes if totals else 0,
        "oldest": _moment(totals.oldest if totals else None),
        "succeeded_at": _moment(totals.succeeded_at if totals else None),
        "failed_at": _moment(totals.failed_at if totals else None),
        "rests_until": _moment(totals.rests_until if totals else None),
        "reason": totals.reason if totals else "",
        "detail": totals.detail if totals else "",
        "refused": dict(totals.refused) if totals else {},
    }


def _moment(moment: datetime | None) -> str | None:
    return iso(moment) if moment is not None else None


def version_json(version: Version) -> dict[str, Any]:
    """Return who made a version, when and why."""
    return {
        "version": version.version,
        "made_at": iso(version.made_at),
        "made_by": version.made_by,
        "why": version.why,
        "restored": version.restored,
    }


def run_json(run: Run) -> dict[str, Any]:
    """Return a trial run."""
    return {"studies": [_study(study) for study in run.studies], "by_series": run.by_series, "cut": run.cut}


def _study(study: StudyOutcome) -> dict[str, Any]:
    return {
        "study_id": study.study_id,
        "modality": study.modality,
        "description": study.description,
        "received_at": iso(study.received),
        "instances": study.instances,
        "destinations": study.destinations,
        "shares": sorted(study.shares),
        "priority": f"P{study.priority.value}" if study.priority is not None else None,
        "rules": [_rule(outcome) for outcome in study.rules],
    }


def _rule(outcome: RuleOutcome) -> dict[str, Any]:
    findings = outcome.because.because if outcome.because is not None else ()
    return {
        "rule": outcome.rule,
        "by_centre": outcome.by_centre,
        "matched": outcome.matched,
        "because": [{"condition": say(each.condition), "holds": each.holds, "found": each.found} for each in findings],
    }


def problems_json(error: InvalidRules) -> dict[str, Any]:
    """Return what is wrong with rules, and where."""
    return {"problems": [{"line": each.line, "place": where(each), "message": each.message} for each in error.problems]}
