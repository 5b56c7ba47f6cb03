"""How a process tells of itself: metrics, health and log."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field


def _read_off(text: object) -> object:
    return None if isinstance(text, str) and text.lower() == "off" else text


def _lower(text: object) -> object:
    return text.lower() if isinstance(text, str) else text


MetricsPort = Annotated[int, Field(ge=0, le=65_535)] | None


class ObservationSettings(BaseModel):
    """The settings for whoever watches over a process."""

    metrics_host: str = Field(
        default="127.0.0.1", description="the address to listen on; 0.0.0.0 is every IPv4 one, :: every one"
    )
    worker_metrics_port: Annotated[MetricsPort, BeforeValidator(_read_off)] = Field(
        default=9464, description="a port, 0 to 65535; 0 takes a free one, off none"
    )
    api_metrics_port: Annotated[MetricsPort, BeforeValidator(_read_off)] = Field(
        default=9465, description="a port, 0 to 65535; 0 takes a free one, off none"
    )
    stalled_after_seconds: float = Field(default=120, ge=10, le=86_400, description="10 to 86400 seconds")
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = Field(
        default="info", description="debug, info, warning or error"
    )
    log_format: Annotated[Literal["console", "json"], BeforeValidator(_lower)] = Field(
        default="console", description="console or json"
    )
