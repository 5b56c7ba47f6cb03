"""The users of the Redis that tests run on: those that are shipped, and their passwords."""

import subprocess
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

REDIS_FOLDER: Final = Path(__file__).parents[2] / "deploy" / "redis"
PARTS: Final = ("worker", "api", "operator")
ADMINISTRATOR: Final = "admin"


def password_of(user: str) -> str:
    return f"made-up-password-of-{user}"


def make_users(folder: Path) -> Path:
    """Write the ACL file in a folder, as a deployment's Redis does, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    for user in (*PARTS, ADMINISTRATOR):
        (folder / f"redis-{user}").write_text(f"{password_of(user)}\n")
    return write_users(folder)


def write_users(folder: Path) -> Path:
    """Write the ACL file of the passwords that are in the folder."""
    path = folder / "users.acl"
    script = str(REDIS_FOLDER / "with-users.sh")
    subprocess.run(
        ["sh", script, str(REDIS_FOLDER / "users.acl"), str(folder), str(path), "true"], check=True
    )
    path.chmod(0o644)  # for the server's own user, where it runs in a container
    return path


def administrator_url(address: str) -> str:
    return f"redis://{ADMINISTRATOR}:{password_of(ADMINISTRATOR)}@{address}/0"


def url_as(user: str, url: str) -> str:
    """Return the URL for that user; it stays as it is for a Redis that the environment gives."""
    parts = urlsplit(url)
    if parts.username != ADMINISTRATOR:
        return url
    address = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{user}:{password_of(user)}@{address}").geturl()
