"""Makes generated specs mean something, so that jobs exist for the calls that follow.

A spec that is well-formed but names a project, a backend or an image that does not exist is
refused with 422, and that is nearly all a generator thinks of. What is malformed is left as
it is: only values that fit the schema are replaced.
"""

import itertools
import re
import urllib.parse

import schemathesis

NUMBERS = itertools.count(1)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")


# Text that has the form and most often a value far out of bounds, and what stands in for it.
DURATION, SIZE = re.compile(r"[0-9][0-9dhms:-]*\Z"), re.compile(r"\+?[0-9][0-9.]*[A-Za-z0-9+-]*\Z")
MODEST = {"time_limit": (DURATION, "90"), "start_deadline": (DURATION, "1h"), "deadline": (DURATION, "2h"),
          "delay": (DURATION, "1s"), "max_delay": (DURATION, "0-00:01:00"), "cpus": (SIZE, "500m"),
          "memory": (SIZE, "64Mi")}


def modest(node):
    """The object with such texts replaced, in it and one level below."""
    changed = {}
    for name, value in node.items():
        if isinstance(value, str) and name in MODEST and MODEST[name][0].match(value):
            value = MODEST[name][1]
        elif isinstance(value, dict) and name in ("resources", "retry"):
            value = modest(value)
        if name != "gpu_type" or not isinstance(value, str) or not NAME.match(value):
            changed[name] = value
    return changed


def fits(value):
    return isinstance(value, str) and bool(value) and value.isascii() and value.isprintable()


def whole(command):
    return isinstance(command, list) and command and all(isinstance(word, str) for word in command)


@schemathesis.hook
def map_body(context, body):
    if context.operation.definition.raw.get("operationId") != "createJob" or not isinstance(body, dict):
        return body
    meant = modest(body)
    for name in ("project", "backend"):
        if isinstance(meant.get(name), str) and NAME.match(meant[name]):
            del meant[name]
    if fits(meant.get("image")) and " " not in meant["image"]:
        del meant["image"]
    for name in ("manifest", "secrets", "volumes"):  # the backend has none
        meant.pop(name, None)
    if isinstance(meant.get("script"), str) and meant["script"] and whole(meant.get("command")):
        del meant["script"]
    if "command" not in meant and "script" not in meant:
        meant["command"] = ["/bin/true"]
    elif whole(meant.get("command")) and meant["command"][0] == "":
        meant["command"] = ["/bin/true", *meant["command"][1:]]
    return meant


def part(body, name):
    return body[name] if isinstance(body.get(name), dict) else {}


def said_twice(query, body):
    """The parameters that stand for a field which the body has, or that could only be refused for what they name."""
    fields = {**body, **part(body, "resources"), **part(body, "array"), "array": part(body, "array").get("indices")}
    return {name for name, value in query.items()
            if fields.get(name) is not None or (name in ("project", "backend", "gpu_type") and NAME.match(str(value)))}


@schemathesis.hook
def map_case(context, case):
    """Fields of the spec as parameters."""
    if case.operation.definition.raw.get("operationId") == "createJob" and isinstance(case.query, dict):
        body = case.body if isinstance(case.body, dict) else {}
        twice = said_twice(case.query, body)
        case.query = {name: value for name, value in modest(case.query).items() if name not in twice}
    return case


@schemathesis.serializer("text/x-shellscript")
def script(context, value):
    """What is no text becomes none, which is refused."""
    return value.encode(errors="surrogatepass") if isinstance(value, str) else b""


@schemathesis.serializer("application/yaml")
def manifest(context, value):
    return script(context, value)


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    """Text is lines, good or bad: each has its result. What is no text becomes none, which is refused."""
    if not isinstance(value, str):
        return b"\n"
    return (value if value.strip(" \t\r\n") else '{"command": ["/bin/true"]}\n').encode(errors="replace")


@schemathesis.hook
def map_headers(context, headers):
    """A new key each time: a used one with another body is refused."""
    key = (headers or {}).get("Idempotency-Key")
    if fits(key) and key.strip() == key and len(key) <= 255:
        return {**headers, "Idempotency-Key": f"{key[:200]}-{next(NUMBERS)}"}
    return headers


@schemathesis.hook
def filter_query(context, query):
    """Any call may be answered 414, which the document says once and not of each operation."""
    return len(urllib.parse.urlencode(query or {}, doseq=True)) < 3500
