"""What goes wrong on a host, told to its operator: one line that says what, one that says what to do."""


class Trouble(Exception):
    """The command cannot go on; shown as two short lines, never as a traceback."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy
