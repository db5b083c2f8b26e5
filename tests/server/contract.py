"""Holds every answer that a test hears against openapi.yaml, and knows which of its lines were never heard."""
import os
import re

import jsonschema
import yaml

SPEC_PATH = os.path.join(os.environ["FLASHSALE_SOURCE_DIR"], "examples/server/openapi.yaml")


def without_nullable(node):
    """The document with OpenAPI's `nullable` said as JSON Schema says it."""
    if isinstance(node, list):
        return [without_nullable(part) for part in node]
    if not isinstance(node, dict):
        return node
    plain = {name: without_nullable(part) for name, part in node.items() if name != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if node.get("nullable") is True else plain


class Contract:
    def __init__(self, tags):
        """`tags`: those of the operations that the server under test has."""
        with open(SPEC_PATH, encoding="utf-8") as file:
            self.spec = without_nullable(yaml.safe_load(file))
        self.tags = set(tags)
        self.heard = set()  # (operationId, status)
        self.resolver = jsonschema.RefResolver("", self.spec)

    def resolved(self, node):
        while "$ref" in node:
            node = self.resolver.resolve(node["$ref"])[1]
        return node

    def operation(self, method, path):
        """The operation of a request, or None: the document knows no such path or method."""
        path = path.split("?")[0]
        method = "GET" if method == "HEAD" else method
        for template, methods in self.spec["paths"].items():
            pattern = re.sub(r"\{\w+\}", "[^/]+", template)
            if re.fullmatch(pattern, path) and method.lower() in methods:
                return methods[method.lower()]
        return None

    def check(self, method, path, answer):
        operation = self.operation(method, path)
        if operation is None:
            if answer.status not in (404, 405):
                raise AssertionError(f"{method} {path} is not documented, and answered {answer.status}")
            return self.check_problem(answer)
        name, status = operation["operationId"], str(answer.status)
        if status not in operation["responses"]:
            raise AssertionError(f"{name} answered {status}, which is not documented: {answer.bytes[:300]!r}")
        response = self.resolved(operation["responses"][status])
        self.heard.add((name, status))
        for header in ("Server-Time", "X-Content-Type-Options", "Cache-Control"):
            if header not in answer.headers:
                raise AssertionError(f"{name} {status} lacks the header {header}")
        content = response.get("content")
        if content is None or method == "HEAD":
            return
        if answer.type not in content:
            raise AssertionError(f"{name} {status} is {answer.type}, not one of {list(content)}")
        if answer.type.endswith("json"):
            self.check_schema(answer.json, content[answer.type]["schema"])
        if answer.type == "application/problem+json":
            self.check_problem(answer)
        if answer.status == 201 and name == "reserve" and not answer.headers["Location"].startswith("/sales/"):
            raise AssertionError("a reservation without its place")

    def check_schema(self, value, schema):
        jsonschema.Draft4Validator(schema, resolver=self.resolver).validate(value)

    def check_problem(self, answer):
        problem = answer.json
        self.check_schema(problem, {"$ref": "#/components/schemas/Problem"})
        if problem["status"] != answer.status or problem["type"] != "/problems/" + problem["code"]:
            raise AssertionError(f"a problem that contradicts itself: {problem}")
        if answer.status in (429, 503) and int(answer.headers["Retry-After"]) < 1:
            raise AssertionError(f"{answer.status} without Retry-After")
        if answer.status == 401 and "WWW-Authenticate" not in answer.headers:
            raise AssertionError("401 without WWW-Authenticate")

    def never_heard(self):
        """What the document promises of these tags and no test has heard, as `operationId status`."""
        missing = []
        for methods in self.spec["paths"].values():
            for method, operation in methods.items():
                if method == "parameters" or not self.tags & set(operation["tags"]):
                    continue
                for status in operation["responses"]:
                    if (operation["operationId"], status) not in self.heard:
                        missing.append(f"{operation['operationId']} {status}")
        return sorted(missing)
