"""The HTTP application of an endpoint. It runs in a Ray Serve replica, and in tests without Ray."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from mlp_assets.endpoints.replica.feedback import parse_feedback
from mlp_assets.endpoints.replica.model import ServedModel
from mlp_assets.endpoints.replica.openapi import docs_page, openapi
from mlp_assets.endpoints.replica.protocol import PROBABILITIES, ProtocolError, datatype, parse_infer
from mlp_assets.endpoints.replica.spool import FEEDBACK

Current = Callable[[], ServedModel]
Handler = Callable[[Request], Awaitable[Response]]


def create_app(current: Current) -> Starlette:
    """The application. ``current`` returns the live model; a request calls it once and keeps that model."""
    handlers = _Handlers(current)
    get, post = ["GET"], ["POST"]
    routes = [
        Route("/v2/health/live", handlers.live, methods=get),
        Route("/v2/health/ready", handlers.server_ready, methods=get),
        Route("/v2", handlers.server, methods=get),
        *(
            Route(f"/v2/models/{{name}}{version}{path}", handler, methods=methods)
            for version in ("", "/versions/{version}")
            for path, handler, methods in (
                ("", handlers.metadata, get),
                ("/ready", handlers.ready, get),
                ("/infer", handlers.infer, post),
            )
        ),
        Route("/v2/models/{name}/feedback", handlers.feedback, methods=post),
        Route("/openapi.json", handlers.openapi, methods=get),
        Route("/docs", handlers.docs, methods=get),
    ]
    return Starlette(
        routes=routes, exception_handlers={ProtocolError: _refuse, HTTPException: _http_error, Exception: _failure}
    )


class _Handlers:
    def __init__(self, current: Current) -> None:
        self._current = current

    async def live(self, request: Request) -> Response:
        return JSONResponse({"live": True})

    async def server_ready(self, request: Request) -> Response:
        self._current()
        return JSONResponse({"ready": True})

    async def server(self, request: Request) -> Response:
        return JSONResponse({"name": "mlp-assets", "version": "0.1.0", "extensions": ["feedback"]})

    async def ready(self, request: Request) -> Response:
        return JSONResponse({"name": self._model(request).plan.endpoint, "ready": True})

    async def metadata(self, request: Request) -> Response:
        model = self._model(request)
        plan = model.plan
        return JSONResponse(
            {
                "name": plan.endpoint,
                "versions": [plan.model_version],
                "platform": "mlp-assets",
                "inputs": [
                    {"name": name, "datatype": datatype(kind), "shape": plan.shape(name, -1)}
                    for name, kind in plan.columns.items()
                ],
                "outputs": [
                    {"name": n, "datatype": kind, "shape": [-1, len(model.classes)] if n == PROBABILITIES else [-1]}
                    for n, kind in model.outputs.items()
                ],
                "counts": model.counts.to_dict(),
            }
            | ({"parameters": {"classes": list(model.classes.values)}} if len(model.classes) else {})
        )

    async def infer(self, request: Request) -> Response:
        model = self._model(request)
        body = await _body(request, model.plan.max_body_bytes)
        plan = model.plan
        parsed = parse_infer(body, plan.columns, plan.max_rows, model.outputs, plan.nullable)
        return JSONResponse(await run_in_threadpool(model.infer, parsed) if parsed.rows > 50 else model.infer(parsed))

    async def feedback(self, request: Request) -> Response:
        model = self._model(request)
        ids, labels = parse_feedback(
            await _body(request, model.plan.max_body_bytes), model.plan.max_rows, model.plan.task, model.plan.label
        )
        entry = {"prediction_id": ids, "label": labels, "received_at": datetime.now(UTC).isoformat()}
        entry |= {"label_type": model.plan.label} if model.plan.label != "Float64" else {}
        model.spool.append(FEEDBACK, entry)
        return JSONResponse({"accepted": len(ids)}, status_code=202)

    async def openapi(self, request: Request) -> Response:
        return JSONResponse(openapi(self._current().plan))

    async def docs(self, request: Request) -> Response:
        return HTMLResponse(docs_page(self._current().plan, str(request.base_url).rstrip("/")))

    def _model(self, request: Request) -> ServedModel:
        model, name = self._current(), request.path_params["name"]
        if name != model.plan.endpoint:
            raise ProtocolError(404, f"This endpoint does not serve {name[:80]!r}. Ask for {model.plan.endpoint!r}.")
        version, live = request.path_params.get("version"), model.plan.model_version
        if version is not None and version != live:
            what = f"Version {version[:80]!r} of {name!r} is not live. Version {live!r} is."
            raise ProtocolError(404, f"{what} Leave /versions/... out to ask the live version.")
        return model


async def _body(request: Request, limit: int) -> bytes:
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ProtocolError(415, f"Content-Type {kind[:80]!r} is not supported. Send application/json.")
    if "inference-header-content-length" in request.headers:
        raise ProtocolError(415, "Binary tensors are not supported. Send JSON (in Triton's client: binary_data=False).")
    if request.headers.get("content-encoding", "identity") != "identity":
        raise ProtocolError(415, "Compressed bodies are not supported. Send plain JSON.")
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise ProtocolError(413, f"The body is over {limit} bytes. Send fewer rows in one request.")
        parts.append(part)
    return b"".join(parts)


async def _refuse(request: Request, error: Any) -> Response:
    return JSONResponse({"error": str(error)}, status_code=error.status)


async def _http_error(request: Request, error: Any) -> Response:
    messages = {
        404: f"There is nothing at {request.url.path[:200]}. See <route>/docs.",
        405: f"{request.method} is not allowed on this path. See <route>/docs.",
    }
    message = {"error": messages.get(error.status_code, str(error.detail))}
    return JSONResponse(message, status_code=error.status_code, headers=error.headers)  # a 405 has the header Allow


async def _failure(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "The prediction failed; the replica's log says why."}, status_code=500)
