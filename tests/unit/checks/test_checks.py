"""The checkers themselves: each of them can fail, above all when it has nothing to look at."""

import subprocess
from pathlib import Path

import pytest

from checks import __main__ as command
from checks import programs, texts
from checks.tree import Tree
from checks.verdict import Verdict

HASHED = "\\\n    --hash=sha256:00\n"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text("build/\n")
    return Tree(tmp_path)


def write(tree: Tree, name: str, text: str) -> None:
    path = tree.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_a_check_that_looked_at_nothing_has_failed():
    assert not Verdict(0, "templates").passed
    assert Verdict(0, "templates").lines() == ["it looked at no templates at all"]
    assert Verdict(1).passed
    assert not Verdict(1, problems=["wrong"]).passed


@pytest.mark.parametrize("check", [programs.shell, programs.templates, texts.locks, texts.data, texts.links])
def test_an_empty_tree_passes_nothing(tree, check):
    assert not check(tree).passed


def test_a_check_that_breaks_has_failed_and_the_next_one_runs(tree, monkeypatch, capsys):
    def broken(_tree: Tree) -> Verdict:
        raise OSError("no disk")

    monkeypatch.setattr(command, "CHECKS", {"broken": broken, "fine": lambda _tree: Verdict(3)})
    assert command.main([]) == 1
    told = capsys.readouterr().out
    assert "it broke: OSError: no disk" in told
    assert "ok     fine" in told
    assert command.main(["fine"]) == 0


def test_an_unknown_check_is_an_error(capsys):
    assert command.main(["nothing"]) == 2
    assert "no such check: nothing" in capsys.readouterr().err


def test_the_tree_is_what_git_would_keep(tree):
    write(tree, "a.py", "")
    write(tree, "build/b.py", "")
    assert tree.named("*.py") == [Path("a.py")]


def test_shell_scripts_are_known_by_their_first_line(tree):
    write(tree, "run", "#!/usr/bin/env bash\ntrue\n")
    write(tree, "LICENSE", "GNU\n")
    write(tree, "x.sh", "true\n")
    assert tree.shell_scripts() == [Path("run"), Path("x.sh")]


def test_shell_finds_a_mistake(tree):
    write(tree, "run", "#!/usr/bin/env bash\nrm -rf $HOME/$1\n")
    assert any("SC2086" in problem for problem in programs.shell(tree).problems)


def test_ruff_finds_a_mistake(tree):
    write(tree, "a.py", "import os\n")
    assert any("F401" in problem for problem in programs.ruff(tree).problems)


def test_ruff_must_have_looked_at_every_file(tree):
    write(tree, "pyproject.toml", '[tool.ruff]\nextend-exclude = ["hidden"]\n')
    write(tree, "hidden/a.py", "")
    write(tree, "b.py", "")
    assert "not looked at: hidden/a.py" in programs.ruff(tree).problems


def test_mypy_must_have_looked_at_every_file(tree):
    write(tree, "pyproject.toml", '[tool.mypy]\nfiles = ["plugins/a.py"]\n')
    write(tree, "plugins/a.py", "A = 1\n")
    assert programs.types(tree).passed
    fresh = Tree(tree.root)
    write(fresh, "scripts/b.py", "B = 1\n")
    assert programs.types(fresh).problems == [
        "mypy looked at 1 of 2 files: name the missing packages in pyproject.toml"
    ]


def test_layout_finds_a_file_out_of_shape(tree):
    write(tree, "a.py", "a =  1\n")
    verdict = programs.layout(tree)
    assert verdict.looked_at == 1
    assert verdict.problems


def test_lock_in_step(tree):
    write(tree, "requirements/runtime.in", "requests\n")
    write(tree, "requirements/runtime.lock", f"requests==2.0 {HASHED}")
    write(tree, "requirements/dev.in", "# tests\n-r runtime.in\nruff\n")
    write(tree, "requirements/dev.lock", f"requests==2.0 {HASHED}ruff==1.0 {HASHED}")
    assert texts.locks(tree).passed


@pytest.mark.parametrize(
    ("lock", "problem"),
    [
        ("", "ruff is not in its lock"),
        ("ruff==1.0\n", "has no hash"),
        (f"requests==3.0 {HASHED}ruff==1.0 {HASHED}", "requests==3.0, but another lock has requests==2.0"),
    ],
)
def test_lock_out_of_step(tree, lock, problem):
    write(tree, "requirements/a.in", "requests\n")
    write(tree, "requirements/a.lock", f"requests==2.0 {HASHED}")
    write(tree, "requirements/dev.in", "-r a.in\nruff\n")
    write(tree, "requirements/dev.lock", lock)
    assert any(problem in said for said in texts.locks(tree).problems)


def test_a_lock_that_is_missing(tree):
    write(tree, "requirements/a.in", "requests\n")
    assert "requirements/a.lock is missing" in texts.locks(tree).problems


def test_every_dependency_has_its_reason_and_no_other(tree):
    write(tree, "requirements/a.in", "psycopg[binary]\nruff\n")
    write(tree, "docs/dependencies.md", "| `psycopg[binary]` | the driver |\n| `black` | gone |\n")
    assert texts.dependencies(tree).problems == [
        "docs/dependencies.md does not say why we have ruff",
        "docs/dependencies.md tells of black, which we do not have",
    ]


def test_a_link_that_leads_nowhere(tree):
    write(tree, "docs/a.md", "[here](a.md#top) [out](https://example.org/x) [gone](b.md)\n")
    assert texts.links(tree).problems == ["docs/a.md: b.md leads nowhere"]


@pytest.mark.parametrize(("name", "text"), [("a.json", "{,}"), ("a.yaml", "a: [")])
def test_data_that_does_not_parse(tree, name, text):
    write(tree, name, text)
    verdict = texts.data(tree)
    assert verdict.looked_at == 1
    assert verdict.problems
