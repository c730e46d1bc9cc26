"""`GET /metrics`: what the service counts and measures, for Prometheus."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from service.observability.metrics import Metrics
from service.routes.dependencies import metrics_of

router = APIRouter()

RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The metrics; OpenMetrics where Accept names it.",
        "content": {
            "text/plain": {"schema": {"type": "string"}},
            "application/openmetrics-text": {"schema": {"type": "string"}},
        },
    }
}


@router.get(
    "/metrics", summary="Metrics for Prometheus", response_class=Response, responses=RESPONSES
)
async def metrics(
    request: Request,
    metrics: Annotated[Metrics, Depends(metrics_of)],
) -> Response:
    """Answers with or without a model."""
    content, media_type = metrics.exposition(request.headers.get("accept", ""))
    return Response(content, headers={"Content-Type": media_type})
