"""The process that renders chat templates, as Hugging Face does.

The request is JSON on standard input, the answers are JSON on standard output. It is run by its path and imports
nothing of this package, so that it starts in a tenth of a second.
"""

import json
import sys
from contextlib import suppress
from datetime import datetime

import jinja2
import jinja2.exceptions
import jinja2.ext
import jinja2.nodes
import jinja2.sandbox

LONGEST = 1 << 24
"""Characters of a rendered text."""

PROBE = "dojangwoodenhall"
"""A word that no template has."""


class Generation(jinja2.ext.Extension):
    """The tag ``generation`` marks answers in training; here its contents are just rendered."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return jinja2.nodes.Scope(body, lineno=line)


class Neutral(jinja2.ChainableUndefined):
    """A variable that nobody can set here is empty, also where it is added to a text."""

    def __add__(self, other):
        return other

    __radd__ = __add__


def refuse(message):
    raise jinja2.TemplateError(str(message))


def to_json(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys,
                      default=plain)


def plain(value):
    """A JSON value for one that JSON does not have."""
    if isinstance(value, jinja2.Undefined):
        return None
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def printed(value):
    """What is None is not there, and shows nothing; a word for it would only lead a model astray."""
    return "" if value is None else value


class Sandbox(jinja2.sandbox.ImmutableSandboxedEnvironment):
    """Refuses at once what a template may not, even if it only wants to print it."""

    def unsafe_undefined(self, obj, attribute):
        raise jinja2.exceptions.SecurityError(
            f"access to attribute {attribute!r} of {type(obj).__name__!r} object is unsafe.")


def environment(undefined=jinja2.Undefined):
    made = Sandbox(
        trim_blocks=True, lstrip_blocks=True, undefined=undefined, finalize=printed,
        extensions=["jinja2.ext.loopcontrols", Generation])
    made.filters["tojson"] = to_json
    made.globals["raise_exception"] = refuse
    made.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return made


def rendered(source, messages, variables):
    """Rendered text, with what a template may want to know and nobody can say here left empty."""
    wanted = {"messages": messages, "add_generation_prompt": True, **variables}
    try:
        return environment().from_string(source).render(tools=None, documents=None, **wanted)
    except (jinja2.UndefinedError, TypeError) as error:
        try:
            return environment(Neutral).from_string(source).render(tools=[], documents=[], **wanted)
        except Exception:  # the first reason is the better one
            raise error from None


def takes_parts(source, messages, variables):
    """The template shows contents only if they are lists of parts, as those of models that see pictures may."""
    def shown(content):
        try:
            return rendered(source, [{**message, "content": content} for message in messages], variables)
        except Exception:  # whatever it says will be said of the true contents
            return ""

    if PROBE in shown(PROBE):
        return False
    text = shown([{"type": "text", "text": PROBE}])
    before, found, _ = text.partition(PROBE)
    return bool(found) and "type" not in before[-30:]  # else it shows the list itself


def in_its_form(source, messages, variables):
    """Rendered text, from contents in the form that the template takes."""
    if takes_parts(source, messages, variables):
        messages = [{**message, "content": [{"type": "text", "text": message["content"]}]} for message in messages]
    return rendered(source, messages, variables)


def answer(request):
    """A list of ``{"text": ...}`` or ``{"error": ...}``, one for each list of messages."""
    answers = []
    for messages in request["messages"]:
        try:
            text = in_its_form(request["template"], messages, request["variables"])
            if len(text) > LONGEST:
                raise jinja2.TemplateError(f"its text is longer than {LONGEST} characters")
            answers.append({"text": text})
        except MemoryError:
            answers.append({"error": "it needs too much memory"})
        except Exception as error:  # whatever a template does
            answers.append({"error": str(error) or type(error).__name__})
    return answers


def limit(memory, seconds):
    """Limits of this process, in bytes and seconds, where the system has such; the seconds in case nobody waits."""
    try:
        import resource
    except ImportError:
        return
    limits = {resource.RLIMIT_AS: memory, resource.RLIMIT_CPU: seconds + 1, resource.RLIMIT_CORE: 0}
    for kind, value in limits.items():
        with suppress(OSError, ValueError):  # a lower limit is there already, or the system has none
            resource.setrlimit(kind, (value, value))


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    limit(asked["memory"], asked["seconds"])
    json.dump(answer(asked), sys.stdout)
