"""The exceptions of the platform.

MlpError
├── ProjectError          a project file cannot work; carries every problem found
├── UnknownSourceColumn   a source's data does not have the columns that its spec declares
├── LakeError             a table cannot be read or written
│   └── LostVersionError  a recorded version of a table is gone
├── NothingToTrainError   a training set has no rows in a part of its split
└── (adapters and the serving path derive their own errors from MlpError)
"""

from dataclasses import dataclass


class MlpError(Exception):
    """Base of every error that the platform raises on purpose. Its message is written for the user."""


@dataclass(frozen=True)
class Problem:
    """One problem of a spec: where it is, what is wrong, and what to write instead."""

    where: str
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}. {self.fix}"


class ProjectError(MlpError):
    """A project file cannot work. ``problems`` holds every problem, not only the first."""

    def __init__(self, project: str, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = "\n".join(f"  {number}. {problem}" for number, problem in enumerate(problems, 1))
        super().__init__(f"Project {project!r} has {count}:\n{lines}")


class UnknownSourceColumn(MlpError):
    """The data of a source lacks a declared column, or has it with another type."""


class LakeError(MlpError):
    """A table of the lake cannot be read or written."""


class LostVersionError(LakeError):
    """A recorded version of a table cannot be read any more: its log or its files are gone."""


class RoundedLabelError(MlpError):
    """A label would be stored as another one."""


class NothingToTrainError(MlpError):
    """A training set has no rows, or one class only, in a part of its split."""
