"""Install a lock file into a virtual environment, which is made where there is none that works.

    python3 requirements/install.py .venv --lock requirements/runtime.txt --done .venv/.runtime --editable

`--done` is touched at the end; `make` compares its age with that of the lock file. One process at a time
installs into a folder. What a failed or interrupted start leaves is never taken for a whole environment. The
module must run on the Pythons that it refuses: it uses the standard library only, and no syntax that is newer
than Python 3.6.
"""

import argparse
import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST_PYTHON = (3, 11)
OLDEST_PIP = (22, 3)  # what Python 3.11.0 brings; before 21.3, an editable install needs a setup.py
FULL_DISK = ("No space left on device", "Disk quota exceeded")
ROOM_BYTES = 1 << 20
PRINT_VERSION_OF_PIP = "import pip; print(pip.__version__)"
ANOTHER_PYTHON = "Choose another Python with: make PYTHON=/path/to/python3 ..."


class OperatorError(Exception):
    """The installation is not possible; the text is for the user."""


def main() -> None:
    """Install what the command line asks for, or end with a sentence."""
    parser = argparse.ArgumentParser(description="Install a lock file into a virtual environment.")
    parser.add_argument("environment", type=Path)
    parser.add_argument("--lock", type=Path, required=True)
    parser.add_argument("--done", type=Path, required=True, help="the file to touch at the end")
    parser.add_argument("--editable", action="store_true", help="install this project too")
    parser.add_argument("--wheels-only", action="store_true", help="build nothing from source")
    options = parser.parse_args()
    try:
        wait_until_alone(options.environment.absolute().parent)
        if is_outdated(options.done, options.lock):  # not if another process has done it meanwhile
            install(options)
    except OperatorError as refused:
        sys.exit(str(refused))
    except OSError as error:
        sys.exit(
            advice_on(str(error)) or f"{error.filename or options.environment}: {error.strerror or error}"
        )
    except KeyboardInterrupt:
        say(f"Stopped. The next start installs what is missing in {options.environment}.")
        sys.exit(130)


def install(options: argparse.Namespace) -> None:
    """Make the environment if need be, and install the lock file and this project into it."""
    environment = options.environment
    make_environment(environment)
    say(f"Installing {options.lock} into {environment} ...")
    # A lock file names every package: without --no-deps, pip would look for newer ones that it does not name.
    from_lock = ["install", "--quiet", "--no-deps", "--require-hashes", "--requirement", str(options.lock)]
    pip(environment, *from_lock, *(["--only-binary", ":all:"] if options.wheels_only else []))
    if options.editable:
        pip(environment, "install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", ".")
        make_paths_relative(environment)
    # The tests' packages may be those of an older lock file; they are checked once theirs is installed.
    if not (options.editable and (environment / ".dev").exists()):
        check(environment)
    options.done.touch()


def pip(environment: Path, *arguments: str) -> None:
    """Run pip, and show what it writes."""
    status, output = run(
        python_of(environment), "-m", "pip", "--disable-pip-version-check", *arguments, shown=True
    )
    if status:
        raise OperatorError(
            advice_on(output)
            or "The Python packages could not be installed: is a package registry within reach?"
        )


def check(environment: Path) -> None:
    """Refuse packages of which one lacks another, or needs another version of it."""
    status, output = run(python_of(environment), "-m", "pip", "--disable-pip-version-check", "check")
    if status:
        raise OperatorError(
            f"{output}The packages in {environment} do not fit together. Remove the folder, then start again."
        )


def make_environment(environment: Path) -> None:
    """Make the environment where it is missing, half-made, or too old."""
    if works(environment):
        return
    refuse_what_can_make_none()
    say(f"Making a Python environment in {environment} ...")
    try:
        call_venv(environment)
    except BaseException:
        shutil.rmtree(str(environment), ignore_errors=True)
        raise


def call_venv(environment: Path) -> None:
    """Make the environment, without what was there before."""
    status, output = run(sys.executable, "-m", "venv", "--clear", str(environment))
    if status:
        raise OperatorError(
            advice_on(output) or f"{output}Python could not make an environment in {environment}."
        )
    if not works(environment):
        version = ".".join(map(str, OLDEST_PIP))
        raise OperatorError(f"This Python brings no pip of version {version} or newer. {ANOTHER_PYTHON}")


def refuse_what_can_make_none() -> None:
    """Refuse to make an environment with a Python that is too old, or not whole as Debian's."""
    if sys.version_info < OLDEST_PYTHON:
        raise OperatorError(
            f"Headcount needs Python 3.11 or newer; this is {sys.version.split()[0]}. {ANOTHER_PYTHON}"
        )
    if not all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")):
        raise OperatorError(
            "This Python can't make virtual environments. On Debian, install: apt-get install python3-venv"
        )


def works(environment: Path) -> bool:
    """Return whether the environment's Python starts, and has a whole pip that is not too old."""
    if not (environment / "bin" / "pip").exists():  # what the making of an environment writes last
        return False
    try:
        status, version = run(python_of(environment), "-c", PRINT_VERSION_OF_PIP)
        return status == 0 and tuple(map(int, version.split(".")[:2])) >= OLDEST_PIP
    except (OSError, ValueError):
        return False


def make_paths_relative(environment: Path) -> None:
    """Have the environment refer to this project by a relative path.

    Python reads `.pth` files in the encoding of the locale. With LC_ALL=POSIX, one with a path that is not
    ASCII ends every start of Python.
    """
    project = Path.cwd()
    for path in environment.absolute().glob("lib/python*/site-packages/*.pth"):
        if path.read_bytes().strip() == os.fsencode(str(project)):
            path.write_text(os.path.relpath(str(project), str(path.parent)) + "\n")


def is_outdated(done: Path, lock: Path) -> bool:
    """Return whether the lock file, or the project, has changed since it was installed."""
    newest = max(path.stat().st_mtime for path in (lock, Path("pyproject.toml")))
    return not done.exists() or done.stat().st_mtime < newest


def wait_until_alone(folder: Path) -> None:
    """Wait until no other process installs in the folder; this one then holds it until it ends."""
    descriptor = os.open(str(folder), os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("Waiting for another process that installs packages in this folder ...")
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def advice_on(output: str) -> str:
    """Return what to do where the disk is full; nothing where it is not."""
    full = any(words in output for words in FULL_DISK)  # `venv` does not say so, but leaves no room
    if not full and shutil.disk_usage(str(Path.cwd())).free >= ROOM_BYTES:
        return ""
    temporary = os.environ.get("TMPDIR") or "/tmp"  # noqa: S108 - it is only named
    return f"The disk is full. Free some room in {Path.cwd()} and in {temporary}, then start again."


def run(*command: str, shown: bool = False) -> "tuple[int, str]":
    """Run a program; return its exit code and what it wrote, which is `shown` line by line if asked for."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    lines = []
    try:
        for line in process.stdout or ():
            lines.append(line.decode(errors="replace"))
            if shown:
                sys.stderr.write(lines[-1])
        return process.wait(), "".join(lines)
    except KeyboardInterrupt:
        process.terminate()  # a terminal has interrupted it too, but a signal to this process alone has not
        process.communicate()  # what it writes at its end would bury the sentence of this process
        raise


def python_of(environment: Path) -> str:
    """Return the path of the environment's Python."""
    return str(environment / "bin" / "python")


def say(sentence: str) -> None:
    """Print a sentence at once."""
    print(sentence, flush=True)


if __name__ == "__main__":
    main()
