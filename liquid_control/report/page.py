"""HTML pages: one template environment, one base template (`templates/base.html.jinja`).

A page is one file that loads nothing: style, script, pictures and short videos are part of it.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path

from liquid_control.errors import MissingDependencyError
from liquid_control.report.charts import LEFT, RIGHT, TOP, WIDTH
from liquid_control.system.files import write_atomically

REMEDY = "Install the report extra: pip install 'liquid_control[report]'"

AXIS = {"left": LEFT, "right": WIDTH - RIGHT, "top": TOP, "width": WIDTH}
"""Plot area of every time chart, for the page's script [px]."""


def require(*modules: str) -> None:
    """Raises MissingDependencyError for the first module of the report extra that is not installed:
    for work of minutes or hours whose results need it at the end."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise MissingDependencyError(module, REMEDY)


def render_page(template: str, facts: Mapping[str, object]) -> str:
    """The page as text: `template` is the name of a file in templates/ without ".html.jinja".

    All facts are escaped but those that the template marks as markup, the charts. Raises
    MissingDependencyError without jinja2.
    """
    try:
        import jinja2
    except ImportError as error:
        raise MissingDependencyError("jinja2", REMEDY) from error
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("liquid_control", "report/templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals["axis"] = AXIS
    return environment.get_template(f"{template}.html.jinja").render(facts)


def write_page(template: str, path: str | Path, **facts: object) -> Path:
    """Writes `render_page(template, facts)` to `path` atomically, its folder included."""
    text = render_page(template, facts)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return path
