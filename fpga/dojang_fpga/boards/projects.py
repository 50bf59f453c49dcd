"""Boards whose tools are not on PyPI: a project is written for them, nothing is built."""

__all__ = ["PROJECTS"]

PROJECTS: dict = {}
