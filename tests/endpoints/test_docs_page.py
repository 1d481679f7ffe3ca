"""The page that an endpoint shows to people, in a real browser."""

from pathlib import Path

from tests.support.browser import rendered
from tests.support.live_endpoint import listening


def test_the_docs_page_says_what_to_send(tmp_path: Path) -> None:
    with listening(tmp_path) as address:
        page = rendered(f"http://{address}/docs", budget_ms=3000)
    for word in ("score", "user_id", "INT64", "hour", "FP64", "/v2/models/score/infer", "feedback"):
        assert word in page, word
