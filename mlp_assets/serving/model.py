"""A loaded endpoint: plan, look-up, scorer and spool. Made whole, then swapped in; never changed."""

import uuid
from datetime import UTC, datetime
from typing import Any

import numpy as np

from mlp_assets.engine.artifact import load_scorer
from mlp_assets.serving.drain import prediction_entry
from mlp_assets.serving.lookup import Lookup, View
from mlp_assets.serving.plan import ServingPlan
from mlp_assets.serving.protocol import OUTPUTS, InferRequest, ProtocolError
from mlp_assets.serving.spool import PREDICTIONS, Spool
from mlp_assets.spec.errors import MlpError
from mlp_resources.ports_serving import OpenView


class ServedModel:
    """Answers requests by one version of a model.

    Raises:
        MlpError: the artifact is not the registered one, takes other inputs, or a view is not online.
    """

    def __init__(self, plan: ServingPlan, open_view: OpenView, spool: Spool | None = None) -> None:
        self.plan = plan
        self.spool = spool if spool is not None else Spool(plan.spool)
        self._scorer = load_scorer(plan.model_path, plan.model_digest)
        if self._scorer.features != plan.inputs:
            raise MlpError(
                f"Model {plan.model_name} version {plan.model_version} takes other features than the plan gives."
            )
        self._views: dict[str, View] = {view.name: open_view(view.path) for view in plan.views}
        self._lookup = Lookup(plan, self._views)

    def infer(self, request: InferRequest) -> dict[str, Any]:
        """The response of the protocol; the predictions are spooled before it is returned."""
        looked = self._lookup(request.columns, request.at)
        degraded = looked.degraded
        if self.plan.on_missing == "error" and degraded.any():
            raise ProtocolError(422, f"Row {int(degraded.argmax())} has no usable features. Send known keys only.")
        answers = self._scorer.predict(looked.matrix)
        if not np.isfinite(answers).all():
            raise ProtocolError(422, f"Row {int((~np.isfinite(answers)).argmax())} gives no finite prediction.")
        call = uuid.uuid4().hex
        ids = [f"{call}-{row}" for row in range(request.rows)]
        times = (datetime.now(UTC).isoformat(), request.at.isoformat())
        self.spool.append(PREDICTIONS, prediction_entry(self.plan, ids, times, request.columns, looked, answers))
        return self._response(request, ids, answers, degraded)

    def _response(self, request: InferRequest, ids: list[str], answers: Any, degraded: Any) -> dict[str, Any]:
        data = {"prediction": answers.tolist(), "prediction_id": ids, "degraded": degraded.tolist()}
        response: dict[str, Any] = {
            "model_name": self.plan.endpoint,
            "model_version": self.plan.model_version,
            "outputs": [
                {"name": name, "datatype": OUTPUTS[name], "shape": [request.rows], "data": data[name]}
                for name in request.outputs
            ],
            "parameters": {"registered_model": self.plan.model_name, "at": request.at.isoformat()},
        }
        return response | ({"id": request.id} if request.id is not None else {})

    def probe(self) -> None:
        """A real prediction on missing features, unspooled. Raises when the model cannot answer."""
        columns = {name: ["" if kind == "String" else 0] for name, kind in self.plan.columns.items()}
        looked = self._lookup(columns, datetime.now(UTC))
        if not np.isfinite(self._scorer.predict(looked.matrix)).all():
            raise MlpError("The model gives no finite prediction for missing features.")
