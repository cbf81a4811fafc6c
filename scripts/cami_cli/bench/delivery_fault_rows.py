"""What the delivery benchmark is asked of faults and of the cap: rows with the targets of the issue."""

from collections.abc import Mapping, Sequence

from cami_cli.bench.delivery_breaking import Fault
from cami_cli.bench.delivery_cap import Capped
from cami_cli.bench.delivery_faults import Outcome
from cami_cli.bench.delivery_senders import LUA
from cami_cli.bench.report import Row, alone

BACK_SECONDS = 10.0
RESENT_PERCENT = 2.0
CAP_PERCENT = 5.0

TITLES: Mapping[Fault, str] = {
    "none": "nothing breaks",
    "line": "the line was cut",
    "flaky": "line down 30 % of the time",
    "proxy": "kill -9 of the proxy",
    "centre": "kill -9 of the centre",
    "both": "kill -9 of both at once",
    "disk": "both disks full",
    "database": "both databases locked",
    "clock": "both clocks jump",
}
#: Faults of which there is no one moment at which all is well again.
_ENDLESS = ("none", "flaky")


def all_fault_rows(outcomes: Mapping[Fault, Outcome | str], stock: tuple[int, int] | str) -> list[Row]:
    """Judge every fault; what is resent is what went over the line beyond what went when nothing broke."""
    calm = outcomes.get("none", "not measured in this run")
    rows = [row for fault, outcome in outcomes.items() for row in fault_rows(fault, outcome, calm)]
    return rows + ([stock_row(outcomes["line"], stock)] if "line" in outcomes else [])


def fault_rows(fault: Fault, outcome: Outcome | str, calm: Outcome | str) -> list[Row]:
    """Judge what a fault did to a study in the middle of its way.

    Parameters
    ----------
    fault
        What broke.
    outcome
        What came of it, or why that is not known.
    calm
        The same when nothing broke.
    """
    title = TITLES[fault]
    wrong, back, resent = f"{title}: lost, duplicated, altered", f"{title}: back at full rate after", f"{title}: resent"
    why = outcome if isinstance(outcome, str) else calm if isinstance(calm, str) else ""
    rows = [alone(wrong, None, "instances", 0, why)]
    if not isinstance(outcome, str):
        sides = f"{outcome.lost} lost, {outcome.duplicated} duplicated, {outcome.altered} altered of {outcome.sent}"
        rows = [alone(wrong, outcome.lost + outcome.duplicated + outcome.altered, "instances", 0, sides)]
    if fault not in _ENDLESS:
        rows.append(_back(back, outcome))
    if fault != "none":
        rows.append(_resent(resent, outcome, calm, why))
    return rows


def stock_row(ours: Outcome | str, stock: tuple[int, int] | str) -> Row:
    """Judge what is lost when the line is cut by what stock auto-routing loses."""
    metric, peer = f"{TITLES['line']}: lost", LUA.title
    if isinstance(ours, str):
        return Row(metric, None, peer, None, "%", None, 0, ours, of="ours", at_most=True)
    own = round(100 * ours.lost / ours.sent, 1)
    if isinstance(stock, str):
        return Row(metric, own, peer, None, "%", None, 0, stock, of="ours", at_most=True)
    sent, lost = stock
    note = f"{ours.lost} of {ours.sent} against {lost} of {sent}"
    return Row(metric, own, peer, round(100 * lost / sent, 1), "%", None, 0, note, of="ours", at_most=True)


def cap_rows(seen: Sequence[tuple[str, Capped | str]]) -> list[Row]:
    """Judge how the cap is kept on the wire."""
    rows = []
    for title, capped in seen:
        metric = f"cap of 4 Mbit/s on a line of 10{title}: worst 10 s beside it by"
        if isinstance(capped, str):
            rows.append(alone(metric, None, "%", CAP_PERCENT, capped))
        else:
            rows.append(alone(metric, round(100 * capped.worst, 1), "%", CAP_PERCENT, f"{capped}"))
    return rows


def _back(metric: str, outcome: Outcome | str) -> Row:
    if isinstance(outcome, str):
        return alone(metric, None, "s", BACK_SECONDS, outcome)
    flowing = "never" if outcome.flowing is None else f"after {outcome.flowing:.1f} s"
    never = "" if outcome.full is not None else "; never full again before all was delivered"
    note = f"away for {outcome.down:.0f} s; bytes flow again {flowing}{never}"
    return alone(metric, None if outcome.full is None else round(outcome.full, 1), "s", BACK_SECONDS, note)


def _resent(metric: str, outcome: Outcome | str, calm: Outcome | str, why: str) -> Row:
    if isinstance(outcome, str) or isinstance(calm, str):
        return alone(metric, None, "%", RESENT_PERCENT, why)
    percent = 100 * (outcome.line_bytes / calm.line_bytes - 1)
    note = f"{outcome.line_bytes / 1e6:.2f} MB on the line, {calm.line_bytes / 1e6:.2f} MB when nothing broke"
    if outcome.given is not None and calm.given is not None:
        note += f"; given to sockets {outcome.given / 1e6:.2f} and {calm.given / 1e6:.2f} MB"
    return alone(metric, round(percent, 2), "%", RESENT_PERCENT, note)
