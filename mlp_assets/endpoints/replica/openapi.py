"""The endpoint's OpenAPI description, and its documentation page."""

import json
from html import escape
from typing import Any

from mlp_assets.endpoints.replica.plan import ServingPlan
from mlp_assets.endpoints.replica.protocol import datatype

_EXAMPLES: dict[str, Any] = {"Int64": 1, "Float64": 1.0, "String": "text", "Boolean": True}
_STYLE = """
body{font:15px/1.55 system-ui,sans-serif;max-width:56rem;margin:3rem auto;padding:0 1.5rem;color:#1c2330}
h1{font-size:1.6rem;margin-bottom:.2rem}h2{font-size:1.1rem;margin-top:2.2rem}.sub{color:#5a6475;margin-top:0}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.45rem .8rem;border-bottom:1px solid #e4e8ef}
th{color:#5a6475;font-weight:600}code,pre{font:13px/1.5 ui-monospace,monospace}
pre{background:#f5f7fa;border:1px solid #e4e8ef;border-radius:6px;padding:1rem;overflow:auto}
.m{display:inline-block;min-width:3.2rem;font-weight:700;color:#0b6bcb}
"""


def example_request(plan: ServingPlan) -> dict[str, Any]:
    """A valid request of one row."""
    return {
        "inputs": [
            {
                "name": name,
                "datatype": datatype(kind),
                "shape": plan.shape(name, 1),
                "data": [_example(plan, name, kind)],
            }
            for name, kind in plan.columns.items()
        ]
    }


def _size(plan: ServingPlan, name: str) -> str:
    return f", lists of {plan.sizes[name]}" if name in plan.sizes else ""


def _example(plan: ServingPlan, name: str, kind: str) -> Any:
    return [0.0] * plan.sizes[name] if name in plan.sizes else _EXAMPLES[kind]


def openapi(plan: ServingPlan) -> dict[str, Any]:
    """OpenAPI 3.1 of the endpoint."""
    model = f"{plan.route}/v2/models/{plan.endpoint}"
    error = {
        "description": "The error, with what to send instead.",
        "content": {"application/json": {"schema": _object({"error": _type("string")})}},
    }
    refused: dict[str, Any] = dict.fromkeys(("400", "404", "413", "415", "422"), error)
    label, example = _labels(plan)
    feedback = _object({"prediction_id": _list("string"), "label": label})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{plan.project}.{plan.endpoint}",
            "version": plan.model_version,
            "description": f"Predicts {plan.target}. Model {plan.model_name}, version {plan.model_version}.",
        },
        "paths": {
            f"{plan.route}/v2/health/ready": {"get": _get("Whether the endpoint answers.")},
            model: {"get": _get("Inputs, outputs and the version that answers.")},
            f"{model}/infer": {"post": _post("Predicts.", _infer_schema(plan), example_request(plan), "200", refused)},
            f"{model}/feedback": {
                "post": _post(
                    "Sends labels for predictions.",
                    feedback,
                    {"prediction_id": ["..."], "label": [example]},
                    "202",
                    refused,
                )
            },
        },
    }


def _labels(plan: ServingPlan) -> tuple[dict[str, Any], Any]:
    """The schema of the labels that callers send, and an example label."""
    if plan.task.label_values is not None:
        return {"type": "array", "items": {"enum": [int(value) for value in plan.task.label_values]}}, 1.0
    json_type = {"String": "string", "Int64": "integer"}.get(plan.label, "number")
    return _list(json_type), _EXAMPLES[plan.label]


def _infer_schema(plan: ServingPlan) -> dict[str, Any]:
    tensor = _object(
        {
            "name": {"enum": list(plan.columns)},
            "datatype": {"enum": sorted({datatype(kind) for kind in plan.columns.values()})},
            "shape": _list("integer"),
            "data": {"type": "array", "maxItems": plan.max_rows},
        }
    )
    schema = _object({"inputs": {"type": "array", "items": tensor, "minItems": len(plan.columns)}})
    schema["properties"] |= {
        "id": _type("string") | {"description": "The same for a retry: its predictions are logged once."},
        "parameters": {"type": "object", "properties": {"at": _type("string")}},
    }
    return schema


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "required": list(properties)}


def _type(name: str) -> dict[str, Any]:
    return {"type": name}


def _list(item: str) -> dict[str, Any]:
    return {"type": "array", "items": _type(item)}


def _get(summary: str) -> dict[str, Any]:
    return {"summary": summary, "responses": {"200": {"description": "OK"}}}


def _post(summary: str, schema: dict[str, Any], example: Any, code: str, refused: dict[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": schema, "example": example}}
    answers = {code: {"description": "OK"}} | refused
    return {"summary": summary, "requestBody": {"required": True, "content": content}, "responses": answers}


def _answers(plan: ServingPlan) -> str:
    """A paragraph about the answer of a multiclass model; empty for other tasks."""
    if not plan.task.many_classes:
        return ""
    asked = escape('"outputs": [{"name": "probabilities"}]')
    return (
        "<p>The answer has the class in <code>prediction</code> and its <code>probability</code>. With "
        f"<code>{asked}</code> it has the probability of every class, in the order of the model's metadata.</p>"
    )


def docs_page(plan: ServingPlan, base: str) -> str:
    """A page without scripts or external resources: the inputs, the paths, and a call to copy."""
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{datatype(kind)}{_size(plan, name)}</td><td>{'key' if name in plan.keys else 'request'}</td></tr>"
        for name, kind in plan.columns.items()
    )
    views = "".join(
        f"<tr><td><code>{escape(v.name)}</code></td><td>{escape(', '.join(v.features))}</td></tr>" for v in plan.views
    )
    lookups = f"<h2>Looked up</h2><table><tr><th>view</th><th>features</th></tr>{views}</table>" if views else ""
    paths = "".join(
        f"<tr><td><span class=m>{method.upper()}</span> <code>{escape(path)}</code></td><td>{escape(operation['summary'])}</td></tr>"
        for path, methods in openapi(plan)["paths"].items()
        for method, operation in methods.items()
    )
    call = (
        f"curl -s {base}/v2/models/{plan.endpoint}/infer \\\n  -H 'Content-Type: application/json' \\\n"
        f"  -d '{json.dumps(example_request(plan))}'"
    )
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(plan.endpoint)}</title>
<style>{_STYLE}</style></head><body><h1>{escape(plan.endpoint)}</h1>
<p class="sub">Predicts <b>{escape(plan.target)}</b> · model {escape(plan.model_name)} version {escape(plan.model_version)} ·
<a href="openapi.json">OpenAPI</a></p><h2>Send</h2><table><tr><th>input</th><th>datatype</th><th></th></tr>{rows}</table>
<p>At most {plan.max_rows} rows in a request. <code>parameters.at</code> (ISO 8601) asks as of another time than now.
With an <code>id</code>, a request that is sent again has the same ids and is logged once.</p>
<pre>{escape(call)}</pre>{_answers(plan)}{lookups}
<h2>Paths</h2><table>{paths}</table></body></html>"""
