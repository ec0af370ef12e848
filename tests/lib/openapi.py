# SPDX-License-Identifier: Apache-2.0
"""Holds requests and answers against an OpenAPI 3.0 or Swagger 2.0 description.

Knows what the two descriptions of Daytona use: $ref, allOf/oneOf/anyOf/not, type, enum, nullable,
required, properties, additionalProperties, items, bounds, lengths, patterns and the formats uuid
and date-time. A checker gives a list of sentences, each with a path into the value; an empty list
means that the value fits.

Two rules are ours. Keys that a description does not know are wrong in a request of ours (a
misspelt option would pass for ever otherwise) but right in an answer, which may be newer. And an
error answer that the description is silent about has to be one of the error envelopes.
"""

import json
import re
import urllib.parse

_UUID = re.compile(r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")
_DATE_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$")
_FORMATS = {"uuid": _UUID, "date-time": _DATE_TIME}
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
MAX_DEPTH = 60

# The description of the toolbox leaves out what signed URLs to files carry.
_SIGNED = {("get", "/files/download"), ("post", "/files/upload-v2")}
_SIGNATURE = {"expires", "signature"}


def _is_type(value, name):
    if name == "object":
        return isinstance(value, dict)
    if name == "array":
        return isinstance(value, list)
    if name == "string":
        return isinstance(value, str)
    if name == "boolean":
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    if name == "integer":
        return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if name == "number":
        return isinstance(value, (int, float))
    return True


# Error answers of the published toolbox that are no envelope, whatever the descriptions say.
OTHER_ERRORS = {
    "POST /files/bulk-upload": {"type": "object", "required": ["errors"],
                                "properties": {"errors": {"type": "array", "items": {"type": "string"}}}},
}

# The published toolbox answers ranges of these, which the descriptions leave out.
RANGES = {"GET /files/download", "GET /computeruse/recordings/{id}/download"}


class Operation:
    """One method of one path of a description."""

    def __init__(self, method, template, item, entry):
        self.method = method
        self.template = template
        self.entry = entry
        self.parameters = {}
        for parameter in item.get("parameters", []) + entry.get("parameters", []):
            self.parameters[(parameter.get("in"), parameter.get("name"))] = parameter
        self.names = re.findall(r"\{([^}]*)\}", template)
        self.regex = re.compile("^" + re.sub(r"\\\{[^}]*\\\}", "([^/]+)", re.escape(template)) + "$")

    def __str__(self):
        return f"{self.method} {self.template}"


class Description:
    """A parsed description with its operations."""

    def __init__(self, document):
        self.document = document
        self.is_swagger = str(document.get("swagger", "")).startswith("2")
        self.operations = []
        for template, item in document["paths"].items():
            for method in _METHODS:
                if method in item:
                    self.operations.append(Operation(method.upper(), template, item, item[method]))
        # A literal path wins over one with holes: fewest holes first.
        self.operations.sort(key=lambda operation: (len(operation.names), operation.template))

    @classmethod
    def load(cls, path):
        with open(path, encoding="utf-8") as text:
            return cls(json.load(text))

    def find(self, method, path):
        """The operation for a request path without the base, or None."""
        for operation in self.operations:
            if operation.method == method.upper() and operation.regex.match(path):
                return operation
        return None

    def resolve(self, schema):
        seen = set()
        while isinstance(schema, dict) and "$ref" in schema:
            reference = schema["$ref"]
            if reference in seen or not reference.startswith("#/"):
                raise ValueError(f"cannot resolve {reference}")
            seen.add(reference)
            schema = self.document
            for part in reference[2:].split("/"):
                schema = schema[part.replace("~1", "/").replace("~0", "~")]
        return schema

    # Values against schemas

    def check(self, value, schema, strict=False, where="$", depth=0):
        """What is wrong with `value`; `strict` also refuses keys that the schema does not name."""
        if depth > MAX_DEPTH:
            return [f"{where}: nested too deeply"]
        schema = self.resolve(schema)
        if value is None:
            return [] if self._is_nullable(schema) else [f"{where}: null is not allowed"]
        problems = self._check_combined(value, schema, strict, where, depth)
        name = schema.get("type")
        if name and not _is_type(value, name):
            return problems + [f"{where}: {type(value).__name__} instead of {name}"]
        if "enum" in schema and value not in schema["enum"]:
            problems.append(f"{where}: {value!r} is none of {schema['enum']}")
        if isinstance(value, str):
            problems += self._check_string(value, schema, where)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            problems += self._check_number(value, schema, where)
        elif isinstance(value, list):
            problems += self._check_array(value, schema, strict, where, depth)
        elif isinstance(value, dict):
            problems += self._check_object(value, schema, strict, where, depth)
        return problems

    def _is_nullable(self, schema):
        if schema.get("nullable") or schema.get("x-nullable"):
            return True
        parts = schema.get("allOf")
        return bool(parts) and "type" not in schema and all(self._is_nullable(self.resolve(p)) for p in parts)

    def _check_combined(self, value, schema, strict, where, depth):
        problems = []
        for part in schema.get("allOf", []):
            problems += self.check(value, part, False, where, depth + 1)
        for keyword in ("oneOf", "anyOf"):
            options = schema.get(keyword)
            if options and not any(not self.check(value, o, strict, where, depth + 1) for o in options):
                problems.append(f"{where}: fits no branch of {keyword}")
        if "not" in schema and not self.check(value, schema["not"], False, where, depth + 1):
            problems.append(f"{where}: is what must not be")
        if strict and "allOf" in schema and isinstance(value, dict):
            known = set(self._known_keys(schema))
            problems += [f"{where}.{key}: not in the description" for key in value if known and key not in known]
        return problems

    def _known_keys(self, schema):
        schema = self.resolve(schema)
        keys = list(schema.get("properties", {}))
        for part in schema.get("allOf", []):
            keys += self._known_keys(part)
        return keys

    @staticmethod
    def _check_string(value, schema, where):
        problems = []
        if len(value) < schema.get("minLength", 0):
            problems.append(f"{where}: shorter than {schema['minLength']}")
        if "maxLength" in schema and len(value) > schema["maxLength"]:
            problems.append(f"{where}: longer than {schema['maxLength']}")
        if "pattern" in schema and not re.search(schema["pattern"], value):
            problems.append(f"{where}: {value!r} does not match {schema['pattern']}")
        expected = _FORMATS.get(schema.get("format"))
        if expected and not expected.match(value):
            problems.append(f"{where}: {value!r} is no {schema['format']}")
        return problems

    @staticmethod
    def _check_number(value, schema, where):
        problems = []
        if "minimum" in schema and value < schema["minimum"]:
            problems.append(f"{where}: {value} is below {schema['minimum']}")
        if "maximum" in schema and value > schema["maximum"]:
            problems.append(f"{where}: {value} is above {schema['maximum']}")
        return problems

    def _check_array(self, value, schema, strict, where, depth):
        problems = []
        if len(value) < schema.get("minItems", 0):
            problems.append(f"{where}: fewer than {schema['minItems']} items")
        if "maxItems" in schema and len(value) > schema["maxItems"]:
            problems.append(f"{where}: more than {schema['maxItems']} items")
        if "items" in schema:
            for index, item in enumerate(value):
                problems += self.check(item, schema["items"], strict, f"{where}[{index}]", depth + 1)
        return problems

    def _check_object(self, value, schema, strict, where, depth):
        problems = [f"{where}.{key}: missing" for key in schema.get("required", []) if key not in value]
        properties = schema.get("properties", {})
        extra = schema.get("additionalProperties")
        for key, item in value.items():
            if key in properties:
                # An optional key may be null in an answer: the platform does not tell the two apart.
                optional_null = item is None and not strict and key not in schema.get("required", [])
                if not optional_null:
                    problems += self.check(item, properties[key], strict, f"{where}.{key}", depth + 1)
            elif isinstance(extra, dict):
                problems += self.check(item, extra, strict, f"{where}.{key}", depth + 1)
            elif extra is False or (strict and properties and extra is None and "allOf" not in schema):
                problems.append(f"{where}.{key}: not in the description")
        return problems

    # Requests and answers

    def check_request(self, method, target, headers, body):
        """Problems of a request; `target` is relative to the base, `headers` maps lower-case names."""
        path, _, query = target.partition("?")
        operation = self.find(method, path)
        if operation is None:
            return None, [f"{method} {path}: not in the description"]
        problems = self._check_path(operation, path)
        problems += self._check_query(operation, query)
        problems += self._check_request_body(operation, headers, body)
        return operation, [f"{operation}: request {problem}" for problem in problems]

    def _schema_of(self, parameter):
        """A Swagger 2 parameter carries its schema in itself."""
        return parameter.get("schema", parameter) if not self.is_swagger else parameter

    def _check_text(self, text, schema, where):
        """A value of a path or a query, where everything arrives as text."""
        schema = self.resolve(schema)
        name = schema.get("type")
        value = text
        if name in ("number", "integer"):
            try:
                value = float(text)
            except ValueError:
                return [f"{where}: {text!r} is no number"]
        elif name == "boolean":
            if text not in ("true", "false"):
                return [f"{where}: {text!r} is neither true nor false"]
            value = text == "true"
        scalar = {key: item for key, item in schema.items() if key not in ("in", "name", "required")}
        return self.check(value, scalar, False, where)

    def _check_path(self, operation, path):
        match = operation.regex.match(path)
        problems = []
        for name, text in zip(operation.names, match.groups() if match else ()):
            parameter = operation.parameters.get(("path", name))
            if parameter:
                problems += self._check_text(urllib.parse.unquote(text), self._schema_of(parameter), f"path {name}")
        return problems

    def _check_query(self, operation, query):
        pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
        problems = []
        for name, text in pairs:
            parameter = operation.parameters.get(("query", name)) or operation.parameters.get(("query", name + "[]"))
            if parameter is None and name in _SIGNATURE and (operation.method.lower(), operation.template) in _SIGNED:
                continue
            if parameter is None:
                problems.append(f"query {name}: not in the description")
                continue
            schema = self.resolve(self._schema_of(parameter))
            if schema.get("type") == "array":
                schema = schema.get("items", {})
            elif sum(1 for other, _ in pairs if other == name) > 1:
                problems.append(f"query {name}: given more than once")
            problems += self._check_text(text, schema, f"query {name}")
        given = {name for name, _ in pairs}
        for (place, name), parameter in operation.parameters.items():
            if place == "query" and parameter.get("required") and name not in given:
                problems.append(f"query {name}: missing")
        return problems

    def _request_schema(self, operation, media):
        """(schema or None, is required) of the body."""
        if self.is_swagger:
            for (place, _), parameter in operation.parameters.items():
                if place == "body":
                    return parameter.get("schema"), parameter.get("required", False)
            return None, False
        body = self.resolve(operation.entry.get("requestBody") or {})
        content = body.get("content", {})
        return content.get(media, {}).get("schema"), body.get("required", False)

    def _check_request_body(self, operation, headers, body):
        media = headers.get("content-type", "").partition(";")[0].strip().lower()
        schema, required = self._request_schema(operation, "application/json")
        if not body:
            return ["body: missing"] if required else []
        if media == "application/json":
            if schema is None:
                return ["body: the description knows none"]
            return self._check_json(body, schema, True, "body")
        if media.startswith("multipart/") or media in ("text/plain", "application/octet-stream"):
            return []
        return [f"body: content type {media or 'missing'!r}"]

    def _check_json(self, body, schema, strict, where):
        try:
            value = json.loads(body)
        except (ValueError, UnicodeDecodeError) as error:
            return [f"{where}: no JSON: {error}"]
        return self.check(value, schema, strict, where)

    def check_answer(self, operation, status, headers, body):
        """Problems of the answer to a request of `operation`."""
        answers = operation.entry["responses"]
        if status == 206 and str(operation) in RANGES:
            status = 200
        answer = answers.get(str(status)) or (answers.get("default") if status < 400 else None)
        if answer is None and status < 400:
            known = ", ".join(code for code in answers if code < "400")
            return [f"{operation}: answer {status} is not among {known}"]
        media = headers.get("content-type", "").partition(";")[0].strip().lower()
        schema = self._answer_schema(self.resolve(answer or {}), media)
        if status >= 400 and str(operation) in OTHER_ERRORS:
            problems = self._check_json(body, OTHER_ERRORS[str(operation)], False, "body")
        elif status >= 400 and schema is None:
            problems = check_envelope(status, media, body)
        elif schema is None:
            problems = []
        else:
            problems = self._check_answer_body(schema, media, body)
        return [f"{operation}: answer {status} {problem}" for problem in problems]

    def _answer_schema(self, answer, media):
        if self.is_swagger:
            return answer.get("schema")
        content = answer.get("content", {})
        if media in content:
            return content[media].get("schema")
        return content.get("application/json", {}).get("schema")

    def _check_answer_body(self, schema, media, body):
        resolved = self.resolve(schema)
        if media == "application/json":
            return self._check_json(body, schema, False, "body")
        if media.startswith("multipart/"):
            return []  # the descriptions know no other answers than JSON
        if resolved.get("type") in ("string", "file") or resolved.get("format") == "binary":
            return []
        return [f"body: content type {media or 'missing'!r} instead of JSON"]


def check_envelope(status, media, body):
    """Whether an error body is one of the envelopes of the platform's services."""
    if media != "application/json":
        return [f"error body: content type {media or 'missing'!r} instead of JSON"]
    try:
        value = json.loads(body)
    except (ValueError, UnicodeDecodeError) as error:
        return [f"error body: no JSON: {error}"]
    if not isinstance(value, dict):
        return ["error body: not an object"]
    problems = []
    if value.get("statusCode") != status:
        problems.append(f"error body: statusCode {value.get('statusCode')!r} under status {status}")
    for key in ("message", "path", "timestamp"):
        if not isinstance(value.get(key), str) or not value[key]:
            problems.append(f"error body: {key} missing")
    if isinstance(value.get("timestamp"), str) and not _DATE_TIME.match(value["timestamp"]):
        problems.append(f"error body: timestamp {value['timestamp']!r}")
    if not isinstance(value.get("error", ""), str) or not isinstance(value.get("code", ""), str):
        problems.append("error body: error and code are texts")
    if not value.get("error") and not value.get("code"):
        problems.append("error body: neither error nor code")
    return problems
