"""Our own certificates: a file with the certificate and one with its key, or neither."""

from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel
from pydantic_core import PydanticCustomError

OWN_CERTIFICATE: Final = "an existing PEM file with our own certificate, and those that vouch for it"
OWN_KEY: Final = "an existing PEM file with the private key of our own certificate"
AUTHORITIES: Final = "an existing PEM file with the certificates of the authorities to trust"


def _check_file(path: Path) -> Path:
    try:
        is_file = path.is_file()
    except OSError as error:  # a name that is too long, say
        raise ValueError("not a file") from error
    if not is_file:
        raise ValueError("not a file")
    return path


ExistingFile = Annotated[Path, AfterValidator(_check_file)]


def check_own_certificate(settings: BaseModel, server: str) -> None:
    """Raise a validation error where only one half is set of what we show to a server."""
    names = (f"{server}_ssl_certificate_location", f"{server}_ssl_key_location")
    given = [name.upper() for name in names if getattr(settings, name)]
    if len(given) == 1:
        raise PydanticCustomError(
            "half_a_certificate",
            "{given} is set alone; wanted are {certificate} and {key}",
            {"given": given[0], "certificate": names[0].upper(), "key": names[1].upper()},
        )
