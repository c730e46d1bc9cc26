"""Every knob of the service: its name, unit, default and bounds."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "SUMMARIZER_"

Device = Literal["auto", "cpu", "gpu"]
Precision = Literal["auto", "float32", "bfloat16"]


class Settings(BaseSettings):
    """Read from environment variables: `port` is `SUMMARIZER_PORT`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(
        8000,
        ge=0,
        le=65535,
        description="Port to listen on; 0 takes a free one.",
        json_schema_extra={"unit": "port"},
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least severe messages that are logged."
    )
    shutdown_grace_s: int = Field(
        20,
        ge=0,
        le=600,
        description="What requests in flight have at a stop.",
        json_schema_extra={"unit": "seconds"},
    )

    artifact: Path = Field(
        Path("artifacts/summarizer"),
        description="An artifact, or a directory of numbered ones, of which the highest is served.",
    )
    version_poll_s: float = Field(
        0,
        ge=0,
        le=86_400,
        description="Between two looks for a new version, which replaces the old one without a "
        "restart; 0: never.",
        json_schema_extra={"unit": "seconds"},
    )
    exit_on_load_failure: bool = Field(
        False, description="Whether the process ends when no model can be loaded."
    )
    warm_up: bool = Field(True, description="Whether the model runs once before it is ready.")

    device: Device = Field(
        "auto", description="`auto` takes a GPU if there is one; `gpu` fails if there is none."
    )
    precision: Precision = Field(
        "auto",
        description="Of the encoder's products; `auto` takes bfloat16 on a processor that has "
        "instructions for it and, as a trial at the start shows, is faster with them. "
        "Asked for where it has none it may end every worker.",
    )
    workers: int = Field(
        0,
        ge=0,
        le=1024,
        description="In which the model runs; 0: one a processor, as far as the memory goes.",
        json_schema_extra={"unit": "processes"},
    )
    num_threads: int = Field(
        1,
        ge=1,
        le=1024,
        description="For one operation of the model, in each worker.",
        json_schema_extra={"unit": "threads"},
    )
    worker_timeout_s: int = Field(
        25,
        ge=1,
        le=3600,
        description="A worker that takes longer for one call of the model is replaced.",
        json_schema_extra={"unit": "seconds"},
    )
    load_timeout_s: int = Field(
        600,
        ge=1,
        le=86_400,
        description="A worker that takes longer to load the model is replaced; at the start the "
        "service says that it can't be loaded.",
        json_schema_extra={"unit": "seconds"},
    )
    max_batch_tokens: int = Field(
        16_384,
        ge=1,
        le=16_777_216,
        description="Padded source tokens times beams, four at least, in one call of the model.",
        json_schema_extra={"unit": "tokens"},
    )
    max_queued_texts: int = Field(
        64,
        ge=1,
        le=100_000,
        description="That may wait before requests get a 429.",
        json_schema_extra={"unit": "texts"},
    )
    request_timeout_s: int = Field(
        60,
        ge=1,
        le=3600,
        description="What a request has from its arrival, unless X-Request-Timeout-Ms says less.",
        json_schema_extra={"unit": "seconds"},
    )
    cache_bytes: int = Field(
        67_108_864,
        ge=0,
        le=1_099_511_627_776,
        description="For summaries that may be asked for again; 0 keeps none.",
        json_schema_extra={"unit": "bytes"},
    )

    unmeasured_methods: bool = Field(
        True,
        description="Whether `/explain` has methods whose faithfulness was not measured on the "
        "model; their answers say so.",
    )
    max_explanations: int = Field(
        4,
        ge=1,
        le=1000,
        description="Slow ones that may run at a time before requests for more get a 429.",
        json_schema_extra={"unit": "explanations"},
    )
    explanation_timeout_s: int = Field(
        300,
        ge=1,
        le=86_400,
        description="What a slow explanation has.",
        json_schema_extra={"unit": "seconds"},
    )
    explanation_kept_s: int = Field(
        600,
        ge=1,
        le=86_400,
        description="How long its result is kept.",
        json_schema_extra={"unit": "seconds"},
    )
    explanation_bytes: int = Field(
        16_777_216,
        ge=0,
        le=1_099_511_627_776,
        description="For all results that are kept.",
        json_schema_extra={"unit": "bytes"},
    )

    receive_timeout_s: int = Field(
        30,
        ge=1,
        le=3600,
        description="What a request has to arrive.",
        json_schema_extra={"unit": "seconds"},
    )
    send_timeout_s: int = Field(
        30,
        ge=1,
        le=3600,
        description="What a client has to take an answer.",
        json_schema_extra={"unit": "seconds"},
    )
    keep_alive_s: int = Field(
        75,
        ge=1,
        le=3600,
        description="What an idle connection is kept for its next request; longer than a proxy in "
        "front keeps it, or requests are lost.",
        json_schema_extra={"unit": "seconds"},
    )
    max_connections: int = Field(
        1000,
        ge=1,
        le=1_000_000,
        description="Open at a time, as far as descriptors go; of those over it, the one whose "
        "client has kept silent longest gives way.",
        json_schema_extra={"unit": "connections"},
    )
    max_header_bytes: int = Field(
        32_768,
        ge=1024,
        le=1_048_576,
        description="Length of a request's line and headers.",
        json_schema_extra={"unit": "bytes"},
    )
    max_body_bytes: int = Field(
        1_048_576,
        ge=1024,
        le=268_435_456,
        description="Length of a request body.",
        json_schema_extra={"unit": "bytes"},
    )
    max_input_characters: int = Field(
        200_000,
        ge=1,
        le=100_000_000,
        description="Length of one text.",
        json_schema_extra={"unit": "code points"},
    )

    @model_validator(mode="after")
    def _refuse_unknown_names(self) -> Self:
        """A typo in a name would otherwise silently leave a default in force."""
        known = [PREFIX + name.upper() for name in type(self).model_fields]
        for name in os.environ:
            if name.upper().startswith(PREFIX) and name.upper() not in known:
                close = difflib.get_close_matches(name.upper(), known, n=1)
                hint = f"; did you mean {close[0]}?" if close else ""
                raise ValueError(f"no setting is named {name}{hint}")
        return self
