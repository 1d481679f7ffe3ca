"""A loaded endpoint: plan, look-up, predictor and spool. Built completely, then swapped in; never changed."""

from datetime import UTC, datetime
from typing import Any

import numpy as np

from mlp_assets.endpoints.replica.counts import Counts, reasons_by_row
from mlp_assets.endpoints.replica.lookup import Lookup
from mlp_assets.endpoints.replica.plan import ServingPlan
from mlp_assets.endpoints.replica.prediction_log import prediction_entry
from mlp_assets.endpoints.replica.predictor import Predictor
from mlp_assets.endpoints.replica.protocol import PROBABILITIES, InferRequest, ProtocolError, outputs_of
from mlp_assets.endpoints.replica.request_identity import call_of
from mlp_assets.endpoints.replica.row_features import RowFeatures
from mlp_assets.endpoints.replica.spool import PREDICTIONS, Spool
from mlp_assets.errors import MlpError
from mlp_assets.features.online_reader import REASONS
from mlp_assets.metrics.classes import finite
from mlp_resources.ports.serving import OnlineUnavailableError, OpenView

_PROBE_VALUES: dict[str, Any] = {"String": "", "List": None}
_REFUSED = {
    "unknown": "view {view!r} has no row of its entity",
    "expired": "the features of its entity in view {view!r} have expired",
    "partial": "view {view!r} lacks some features of its entity",
}


class ServedModel:
    """Answers requests by one version of a model.

    Raises:
        MlpError: the artifact is not the registered one, takes other inputs, or a view is not online.
    """

    def __init__(self, plan: ServingPlan, open_view: OpenView, spool: Spool | None = None) -> None:
        self.plan = plan
        self.spool = spool if spool is not None else Spool(plan.spool)
        self._predict = Predictor(plan)
        self.outputs, self.classes = outputs_of(plan.task, plan.label), self._predict.classes
        self._lookup = Lookup(plan, {view.name: open_view(view.location, view.features) for view in plan.views})
        self._refuses = {code: reason for code, reason in REASONS.items() if reason in plan.refuses}
        self.counts = Counts(view.name for view in plan.views)

    def infer(self, request: InferRequest) -> dict[str, Any]:
        """The response of the protocol. The predictions are in the spool before it is returned."""
        features = self._look_up(request)
        self.counts.add(features.reads, request.rows)
        self._check_reasons(features)
        try:
            predicted = self._predict(request.columns, features)
        except MlpError as error:
            raise ProtocolError(422, str(error)) from error
        if not np.isfinite(predicted).all():
            refusals = self._predict.refusals
            why = f" The model takes {refusals}." if refusals else ""
            raise ProtocolError(422, f"Row {int((~finite(predicted)).argmax())} gives no finite prediction.{why}")
        answers = self.classes.answers(predicted)
        call = call_of(request)
        ids = [f"{call}-{row}" for row in range(request.rows)]
        times = (datetime.now(UTC).isoformat(), request.at.isoformat())
        self.spool.append(PREDICTIONS, prediction_entry(self.plan, ids, times, request.columns, features, answers))
        if PROBABILITIES in request.outputs:
            answers[PROBABILITIES] = predicted.tolist()
        return self._response(request, ids, answers, features)

    def _look_up(self, request: InferRequest) -> RowFeatures:
        try:
            return self._lookup(request.columns, request.at)
        except OnlineUnavailableError as error:
            raise ProtocolError(503, "The store of features does not answer. Send the request again later.") from error

    def _check_reasons(self, features: RowFeatures) -> None:
        """Raises ProtocolError 422 for the first row whose features are missing for a reason that is refused."""
        for code, reason in self._refuses.items():
            for view, read in features.reads.items():
                rows = (read.reasons == code).nonzero()[0]
                if rows.size:
                    what = f"Row {int(rows[0])}: {_REFUSED[reason].format(view=view)} ({rows.size} such rows)"
                    raise ProtocolError(422, f"{what}. This endpoint does not score them: leave them out.")

    def _response(
        self, request: InferRequest, ids: list[str], answers: dict[str, Any], features: RowFeatures
    ) -> dict[str, Any]:
        data = answers | {
            "prediction_id": ids,
            "degraded": features.degraded.tolist(),
            "reasons": reasons_by_row(features.reads, request.rows),
        }
        response: dict[str, Any] = {
            "model_name": self.plan.endpoint,
            "model_version": self.plan.model_version,
            "outputs": [
                {"name": name, "datatype": self.outputs[name], "shape": self._shape(name, request), "data": data[name]}
                for name in request.outputs
            ],
            "parameters": {"registered_model": self.plan.model_name, "at": request.at.isoformat()},
        }
        return response | ({"id": request.id} if request.id is not None else {})

    def _shape(self, name: str, request: InferRequest) -> list[int]:
        return [request.rows, len(self.classes)] if name == PROBABILITIES else [request.rows]

    def probe(self) -> None:
        """Makes a real prediction on missing features and logs nothing. Raises when the model cannot answer.

        A model that itself takes no missing values may give none: the rows that lack them are refused one by one.
        """
        columns = {name: [_PROBE_VALUES.get(kind, 0)] for name, kind in self.plan.columns.items()}
        features = self._lookup(columns, datetime.now(UTC))
        predicted = self._predict(columns, features)
        if not np.isfinite(predicted).all() and not self._predict.refusals.missing:
            raise MlpError("The model gives no finite prediction for missing features.")
