"""How the demonstration speaks: numbered steps and lines; on a terminal with colours, elsewhere plain text."""

from collections.abc import Sequence

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from cami_cli.demo.checks import Check

#: Width of plain output: the log of CI has no terminal that would tell.
_PLAIN_WIDTH = 140


class Stage:
    """Where the guided run is shown."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console()
        if not self.console.is_terminal:
            self.console.width = _PLAIN_WIDTH
        self._step = 0

    def step(self, title: str) -> None:
        """Begin the next step."""
        self._step += 1
        self.console.print(f"\n[bold]{self._step}. {escape(title)}[/bold]", highlight=False)

    def say(self, text: str) -> None:
        """Say one line."""
        self.console.print(f"   {escape(text)}", highlight=False, soft_wrap=True)

    def show(self, thing: RenderableType) -> None:
        """Show a table."""
        self.console.print(thing)

    def check(self, check: Check) -> None:
        """Show how a check came out."""
        mark = "[green]✓[/green]" if check.passed else "[bold red]✗[/bold red]"
        detail = f": {check.detail}" if check.detail else ""
        self.console.print(f"   {mark} {escape(check.title)}{escape(detail)}", highlight=False, soft_wrap=True)


class Studies:
    """A line for each study: how much has been sent, how much has come to the centre."""

    def __init__(self, stage: Stage, studies: Sequence[tuple[str, str, int]]) -> None:
        """Begin with `studies`: key, title, number of instances."""
        self._stage = stage
        self._totals = {key: instances for key, _, instances in studies}
        self._titles = {key: title for key, title, _ in studies}
        self._said: dict[str, str] = {}
        self._progress = Progress(
            TextColumn("   {task.description}"),
            BarColumn(bar_width=16),
            TextColumn("{task.fields[state]}"),
            console=stage.console,
            disable=not stage.console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        for key, title, instances in studies:
            self._tasks[key] = self._progress.add_task(escape(title), total=instances, state="waits")

    def __enter__(self) -> "Studies":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, key: str, *, sent: int, arrived: int, confirmed: bool) -> None:
        """Show how far a study is; plain output gets a line at each fifth of the way."""
        total = self._totals[key]
        bar = f"{sent} → {arrived}/{total}{' ✓' if confirmed else ''}"
        self._progress.update(self._tasks[key], completed=arrived, state=bar)
        state = f"sent {sent}, at the centre {arrived} of {total}{', confirmed' if confirmed else ''}"
        landmark = "confirmed" if confirmed else str(5 * arrived // total) if sent or arrived else ""
        if self._progress.disable and landmark and landmark != self._said.get(key):
            self._said[key] = landmark
            self._stage.say(f"{self._titles[key]}: {state}")
