"""Holds every exchange of the tests against openapi/openapi.yaml.

An answer must have a documented status, a documented media type, the headers it must
have, and a body that fits the schema and has no member the schema does not name. What
was exercised is kept, so that a documented status nobody has seen can fail the run.
"""

import json
import os
import pathlib
import re
import tempfile
import threading
import urllib.parse

import jsonschema
import referencing
import referencing.jsonschema
import yaml

from tests.harness import system

METHODS = ("get", "put", "post", "delete", "patch", "options", "head", "trace")
# What any call may be answered: status -> component.
UNIVERSAL = {404: "NotFound", 405: "MethodNotAllowed", 408: "RequestTimeout", 413: "TooLarge", 414: "UriTooLong",
             415: "UnsupportedMedia", 431: "HeadersTooLarge", 500: "InternalError", 400: "Invalid"}
URI = "urn:jobgate:contract"
EXCLUSIONS = system.ROOT / "tests" / "contract" / "unexercised.yaml"


def read_exclusions(path=EXCLUSIONS):
    """[(operation, status)] from the committed file; each must carry a reason."""
    listed = yaml.safe_load(pathlib.Path(path).read_text()) or []
    assert all(entry.get("reason") for entry in listed), "every exclusion needs a reason"
    return [(entry["operation"], entry["status"]) for entry in listed]


class Violation(AssertionError):
    """An answer that openapi.yaml does not allow."""


class Operation:
    def __init__(self, method, path, shared, body):
        self.method, self.path, self.body = method, path, body
        self.id = body["operationId"]
        self.parameters = [*shared, *body.get("parameters", [])]
        self.responses = {int(status): answer for status, answer in body["responses"].items()}
        pattern = re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(path))
        self.pattern = re.compile(pattern + r"\Z")


class Contract:
    def __init__(self, path=system.ROOT / "openapi" / "openapi.yaml"):
        self.document = yaml.safe_load(pathlib.Path(path).read_text())
        resource = referencing.Resource(self.document, referencing.jsonschema.DRAFT202012)
        self.registry = referencing.Registry().with_resource(URI, resource)
        self.operations = [
            Operation(method, path, item.get("parameters", []), item[method])
            for path, item in self.document["paths"].items() for method in METHODS if method in item
        ]
        # "/v1/jobs/cancel" before "/v1/jobs/{id}".
        self.operations.sort(key=lambda operation: operation.path.count("{"))
        self.exercised = set()
        self._validators = {}
        self._lock = threading.Lock()

    def resolve(self, node):
        while isinstance(node, dict) and "$ref" in node:
            target = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part.replace("~1", "/").replace("~0", "~")]
            node = target
        return node

    # -- one exchange --------------------------------------------------------------------

    def find(self, method, target):
        """The operation of a request, or None; and whether its path is known at all."""
        path = urllib.parse.urlsplit(target).path
        matching = [op for op in self.operations if op.pattern.match(path)]
        best = [op for op in matching if op.path == matching[0].path]
        wanted = "GET" if method == "HEAD" and not any(op.method == "head" for op in best) else method
        for operation in best:
            if operation.method.upper() == wanted:
                return operation, True
        return None, bool(best)

    def check(self, method, target, answer):
        try:
            self._check(method, target, answer)
        except Violation as violation:
            shown = answer.body[:2000].decode(errors="replace")
            raise Violation(f"{method} {target} -> {answer.status}: {violation}\n{answer.headers}\n{shown}") from None

    def _check(self, method, target, answer):
        if "X-Request-Id" not in answer.headers:
            raise Violation("no X-Request-Id")
        operation, known = self.find(method, target)
        documented, name = None, None
        if operation is not None and answer.status in operation.responses:
            documented = self.resolve(operation.responses[answer.status])
            name = (operation.id, answer.status)
        elif answer.status in UNIVERSAL:
            self._check_universal(operation, known, answer)
            documented = self.document["components"]["responses"][UNIVERSAL[answer.status]]
        if documented is None:
            raise Violation("the status is not documented")
        self._check_headers(documented, answer)
        if method != "HEAD":
            self._check_body(documented, answer)
        elif answer.body:
            raise Violation("a HEAD was answered with a body")
        if name is not None and method != "HEAD":
            with self._lock:
                self.exercised.add(name)

    @staticmethod
    def _check_universal(operation, known, answer):
        if answer.status == 404 and known and operation is not None:
            raise Violation("404 is not documented for this operation")
        if answer.status == 405 and operation is not None:
            raise Violation("405 for a documented method")
        if operation is not None and answer.status in (400, 415):
            raise Violation("the status is not documented for this operation")

    def _check_headers(self, documented, answer):
        for name, header in documented.get("headers", {}).items():
            header = self.resolve(header)
            value = answer.headers.get(name)
            if value is None:
                if header.get("required"):
                    raise Violation(f"no {name}")
                continue
            schema = self.resolve(header.get("schema", {}))
            self._validate(int(value) if schema.get("type") == "integer" else value, header.get("schema", {}), name)

    def _check_body(self, documented, answer):
        content = documented.get("content")
        if not content:
            if answer.body:
                raise Violation("a body where none is documented")
            return
        media = answer.headers.get("Content-Type", "").split(";")[0].strip()
        if media not in content:
            raise Violation(f"Content-Type {media!r} is not documented")
        if "x-lines" in content[media]:
            self._check_lines(answer, content[media]["x-lines"])
        if not media.endswith("json") or media.endswith("ndjson"):
            return
        try:
            value = json.loads(answer.body.decode())
        except ValueError as error:
            raise Violation(f"the body is not JSON: {error}") from None
        self._validate(value, content[media]["schema"], "body")
        self._refuse_unnamed(value, content[media]["schema"], "body")
        if media == "application/problem+json":
            self._check_problem(value, answer)

    def _check_lines(self, answer, schema):
        """Of very many lines some: the first and the last."""
        if not answer.body.endswith(b"\n"):
            raise Violation("the last line does not end")
        lines = answer.body.splitlines()
        for line in lines if len(lines) <= 2000 else [*lines[:1000], *lines[-1000:]]:
            value = json.loads(line)
            self._validate(value, schema, "line")
            self._refuse_unnamed(value, schema, "line")
            if "problem" in value and value["problem"]["status"] != value["status"]:
                raise Violation("the problem's status is another than the line's")

    @staticmethod
    def _check_problem(value, answer):
        if value["status"] != answer.status:
            raise Violation("the problem's status is another than the answer's")
        if value["request_id"] != answer.headers["X-Request-Id"]:
            raise Violation("the problem's request_id is another than X-Request-Id")
        if answer.status in (429, 503) and "Retry-After" not in answer.headers:
            raise Violation("no Retry-After")

    # -- schemas -------------------------------------------------------------------------

    def _absolute(self, schema):
        """The schema with its references made absolute, for the registry."""
        if isinstance(schema, dict):
            return {key: URI + value if key == "$ref" and isinstance(value, str) else self._absolute(value)
                    for key, value in schema.items()}
        if isinstance(schema, list):
            return [self._absolute(item) for item in schema]
        return schema

    def _validate(self, value, schema, where):
        key = json.dumps(schema, sort_keys=True, default=str)
        validator = self._validators.get(key)
        if validator is None:
            validator = jsonschema.Draft202012Validator(
                self._absolute(schema), registry=self.registry,
                format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
            self._validators[key] = validator
        for error in validator.iter_errors(value):
            raise Violation(f"{where}{error.json_path[1:]}: {error.message[:500]}")

    def _properties(self, schema):
        """Every property an object schema names, its allOf parts included; None when open."""
        schema = self.resolve(schema)
        named = dict(schema.get("properties", {}))
        is_open = "additionalProperties" in schema and schema["additionalProperties"] is not False
        for part in schema.get("allOf", []):
            inner = self._properties(part)
            if inner is None:
                is_open = True
            else:
                named.update(inner)
        if is_open or (not named and not schema.get("allOf")):
            return None
        return named

    def _refuse_unnamed(self, value, schema, where):
        schema = self.resolve(schema)
        if isinstance(value, list) and "items" in schema:
            for number, item in enumerate(value):
                self._refuse_unnamed(item, schema["items"], f"{where}[{number}]")
        if not isinstance(value, dict):
            return
        named = self._properties(schema)
        for key, item in value.items() if named is not None else ():
            if key not in named:
                raise Violation(f"{where}.{key} is not documented")
            self._refuse_unnamed(item, named[key], f"{where}.{key}")

    # -- coverage ------------------------------------------------------------------------

    def documented(self):
        return {(operation.id, status) for operation in self.operations for status in operation.responses}

    def write_exercised(self, folder):
        """Leaves what was exercised in a file of its own, for read_exercised()."""
        handle, _ = tempfile.mkstemp(suffix=".json", dir=folder)
        with os.fdopen(handle, "w") as out:
            json.dump(sorted(self.exercised), out)

    def read_exercised(self, folder):
        """Adds what other processes have exercised."""
        for path in pathlib.Path(folder).glob("*.json"):
            self.exercised.update(tuple(answer) for answer in json.loads(path.read_text()))

    def unexercised(self, excluded):
        """The documented answers never seen, and the exclusions that were seen after all."""
        missing = self.documented() - self.exercised
        return sorted(missing - set(excluded)), sorted(set(excluded) & self.exercised)
