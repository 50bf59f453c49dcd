"""The boards that only get a project, by name."""

from .antmicro_lpddr4 import ANTMICRO_LPDDR4
from .ax7325b import AX7325B
from .project import Project

__all__ = ["PROJECTS", "Project"]

PROJECTS = {project.name: project for project in (AX7325B, ANTMICRO_LPDDR4)}
