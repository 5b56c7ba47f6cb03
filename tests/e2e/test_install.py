"""The installation of the lock files, as make and Docker do it, into environments in any state."""

import ast
import importlib.metadata
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.fake_index import make_index, read_pins
from tests.e2e.programs import ROOT, Program, plain_environ, started

SCRIPT = ROOT / "requirements" / "install.py"
MAKE_SECONDS = 60
"""What the making of an environment may take."""


class Project:
    """A project folder with a lock file, and an index to install it from."""

    def __init__(self, folder: Path, lock: Path) -> None:
        self.folder = folder
        self.environment = folder / ".venv"
        self.pins = read_pins(lock)
        self.script = folder / "requirements" / "install.py"
        self.script.parent.mkdir(parents=True)
        shutil.copy(SCRIPT, self.script)
        (folder / "pyproject.toml").touch()
        make_index(folder / "index", self.pins, folder / "requirements" / lock.name)
        self.lock = f"requirements/{lock.name}"
        self.environ = plain_environ(
            PIP_CONFIG_FILE=os.devnull, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(folder / "index")
        )

    def command(self, *options: str) -> list[str]:
        arguments = [".venv", "--lock", self.lock, "--done", ".venv/.done", *options]
        return [sys.executable, str(self.script), *arguments]

    def run(
        self, command: list[str], environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the folder to its end."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env=environ or self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    @contextmanager
    def start(self, command: list[str]) -> Iterator[Program]:
        output = self.folder / "output"
        with started(command, environ=self.environ, folder=self.folder, output=output) as program:
            yield program

    def assert_is_as_locked(self, environment: Path) -> None:
        (packages,) = environment.glob("lib/python*/site-packages")
        installed = {
            each.metadata["Name"]: each.version
            for each in importlib.metadata.distributions(path=[str(packages)])
        }
        for unlocked in ("pip", "setuptools"):
            installed.pop(unlocked, None)
        assert installed == {pin.name: pin.version for pin in self.pins if pin.applies}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an environment, to be copied: making one takes seconds."""
    environment = tmp_path_factory.mktemp("made") / ".venv"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    return environment


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Make a project with a small lock file, without an environment."""
    lock = tmp_path / "small.txt"
    lock.write_text("one==1.0 \\\n    --hash=sha256:0\ntwo==2.0 \\\n    --hash=sha256:0\n")
    return Project(tmp_path / "project", lock)


@pytest.fixture
def project_with_environment(project: Project, made: Path) -> Project:
    shutil.copytree(made, project.environment, symlinks=True)
    return project


LOCKS = ["runtime", "dev", "peers"]


@pytest.mark.parametrize("name", LOCKS)
def test_newer_releases_of_every_package_change_nothing(name: str, made: Path, tmp_path: Path) -> None:
    project = Project(tmp_path / "project", ROOT / "requirements" / f"{name}.txt")
    shutil.copytree(made, project.environment, symlinks=True)
    done = project.run(project.command(*(["--wheels-only"] if name == "peers" else [])))
    assert done.returncode == 0, done.stdout
    project.assert_is_as_locked(project.environment)
    assert (project.environment / ".done").exists()


def test_newer_releases_change_nothing_in_the_image(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", ROOT / "requirements" / "server.txt")
    environment = tmp_path / "image"
    steps = [shlex.split(step) for step in docker_steps() if "server.txt" in step or "venv" in step]
    check = [shlex.split(step) for step in docker_steps() if step.endswith(" check")]
    assert (len(steps), len(check)) == (2, 1)
    for step in steps + check:
        assert step[0] == "python"
        command = [each.replace("/opt/headcount", str(environment)) for each in step[1:]]
        done = project.run([sys.executable, *command])
        assert done.returncode == 0, done.stdout
    project.assert_is_as_locked(environment)


def docker_steps() -> list[str]:
    """Return the commands that build the image."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    return [
        step.strip() for line in re.findall(r"^RUN (.+)$", text, re.MULTILINE) for step in line.split("&&")
    ]


def test_without_no_deps_a_newer_release_ends_the_installation(project_with_environment: Project) -> None:
    """The index is one on which the installation can fail."""
    project = project_with_environment
    text = project.script.read_text()
    assert text.count('"--no-deps", ') == 2
    project.script.write_text(text.replace('"--no-deps", ', ""))
    done = project.run(project.command())
    assert done.returncode == 1
    assert "must have their versions pinned" in done.stdout


def test_packages_that_lack_another_are_refused(project_with_environment: Project) -> None:
    project = project_with_environment
    lock = project.folder / project.lock
    lock.write_text(lock.read_text().partition("two==")[0])
    done = project.run(project.command())
    assert done.returncode == 1
    assert "one 1.0 requires two, which is not installed." in done.stdout
    assert done.stdout.splitlines()[-1] == (
        "The packages in .venv do not fit together. Remove the folder, then start again."
    )
    assert not (project.environment / ".done").exists()


def test_every_lock_is_installed_by_the_script() -> None:
    """Make has no other way to install a package."""
    makefile = (ROOT / "Makefile").read_text()
    assert "pip install" not in makefile
    assert re.findall(r"^\t@\$\(INSTALL\) \S+ --lock \S+", makefile, re.MULTILINE) == [
        "\t@$(INSTALL) $(VENV) --lock $<",
        "\t@$(INSTALL) $(VENV) --lock $<",
        "\t@$(INSTALL) $(PEERS) --lock $<",
    ]


def test_what_is_installed_is_not_installed_again(project_with_environment: Project) -> None:
    project = project_with_environment
    assert project.run(project.command()).stdout == "Installing requirements/small.txt into .venv ...\n"
    assert project.run(project.command()).stdout == ""
    (project.folder / project.lock).touch()
    assert project.run(project.command()).stdout == "Installing requirements/small.txt into .venv ...\n"


def test_a_half_made_environment_is_made_again(project: Project) -> None:
    """As Debian's Python leaves it that has no ensurepip."""
    (project.environment / "bin").mkdir(parents=True)
    (project.environment / "bin" / "python").symlink_to(sys.executable)
    (project.environment / "leftover").touch()
    done = project.run(project.command())
    assert (done.returncode, done.stdout) == (
        0,
        "Making a Python environment in .venv ...\nInstalling requirements/small.txt into .venv ...\n",
    )
    project.assert_is_as_locked(project.environment)
    assert not (project.environment / "leftover").exists()


def test_an_environment_whose_pip_is_too_old_is_made_again(project: Project) -> None:
    write_environment(project, version="21.2.4")
    with project.start(project.command()) as program:
        program.wait_for(lambda: "Making" in program.read(), deadline_seconds=10)
        program.press_ctrl_c()


def test_an_environment_whose_pip_works_is_kept(project: Project) -> None:
    write_environment(project, version="22.3")
    assert project.run(project.command()).stdout.startswith("Installing ")


def test_an_environment_whose_python_does_not_start_is_made_again(project: Project) -> None:
    write_environment(project, version="22.3")
    (project.environment / "bin" / "python").write_text("#!/nowhere/python\n")
    with project.start(project.command()) as program:
        program.wait_for(lambda: "Making" in program.read(), deadline_seconds=10)
        program.press_ctrl_c()


def write_environment(project: Project, *, version: str) -> None:
    """Write an environment whose Python does nothing but say which pip it has."""
    folder = project.environment / "bin"
    folder.mkdir(parents=True)
    for name in ("pip", "python"):
        (folder / name).write_text(f"#!/bin/sh\necho {version}\n")
        (folder / name).chmod(0o700)


def test_a_python_without_ensurepip_is_refused_with_what_to_install(project: Project) -> None:
    """As Debian's without python3-venv; once that is there, the same start succeeds."""
    incomplete = customized(
        project,
        "import importlib.util\nfind = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, package=None: name != 'ensurepip' and find(name, package)\n",
    )
    done = project.run(project.command(), incomplete)
    assert (done.returncode, done.stdout) == (
        1,
        "This Python can't make virtual environments. On Debian, install: apt-get install python3-venv\n",
    )
    assert not project.environment.exists()


def test_ctrl_c_ends_the_making_with_a_sentence_and_nothing_half_made(project: Project) -> None:
    with project.start(project.command()) as program:
        program.wait_for((project.environment / "bin").exists, deadline_seconds=MAKE_SECONDS)
        program.press_ctrl_c()
        assert program.read().splitlines() == [
            "Making a Python environment in .venv ...",
            "Stopped. The next start installs what is missing in .venv.",
        ]
    assert not project.environment.exists()


def test_a_second_start_waits_for_the_first(project_with_environment: Project) -> None:
    project = project_with_environment
    lock = project.folder
    holding = (
        "import fcntl, os, sys; fcntl.flock(os.open('.', os.O_RDONLY), fcntl.LOCK_EX); "
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holding], cwd=lock, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdin
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        with project.start(project.command()) as program:
            program.wait_for(lambda: "Waiting for another process" in program.read(), deadline_seconds=10)
            assert not (project.environment / ".done").exists()
            holder.stdin.close()
            assert program.end(deadline_seconds=MAKE_SECONDS) == 0
    project.assert_is_as_locked(project.environment)


def test_a_full_disk_is_named(project: Project) -> None:
    write_environment(project, version="22.3")
    (project.environment / "bin" / "python").write_text(
        "#!/bin/sh\n"
        'if [ "$1" = -c ]; then echo 22.3; exit; fi\n'
        "echo 'ERROR: Could not install: [Errno 28] No space left on device'; exit 1\n"
    )
    done = project.run(project.command())
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith(
        f"The disk is full. Free some room in {project.folder} and in "
    )


def test_a_folder_that_can_not_be_reached_is_named(project: Project) -> None:
    project.environment.write_text("a file")
    done = project.run(project.command())
    assert done.returncode == 1
    assert ".venv" in done.stdout.splitlines()[-1]
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize("name", ["Bücher", "日本 語"])
def test_the_path_of_the_project_need_not_be_ascii(name: str, tmp_path: Path) -> None:
    """Not even in the POSIX locale, in which Python can't read a `.pth` file with such a path."""
    folder = tmp_path / name
    folder.mkdir()
    (folder / "ours.py").write_text("print('imported')")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / ".venv"], check=True)
    (packages,) = folder.glob(".venv/lib/python*/site-packages")
    (packages / "_ours.pth").write_text(str(folder))
    (packages / "other.pth").write_text("import sys")
    rewrite = "import pathlib, runpy, sys; script = runpy.run_path(sys.argv[1]); "
    rewrite += "script['make_paths_relative'](pathlib.Path('.venv'))"
    subprocess.run([sys.executable, "-c", rewrite, str(SCRIPT)], cwd=folder, check=True)
    done = subprocess.run(
        [folder / ".venv" / "bin" / "python", "-c", "import ours"],
        env={"LC_ALL": "POSIX"},
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "imported\n"), done.stderr
    assert (packages / "_ours.pth").read_text() == "../../../..\n"
    assert (packages / "other.pth").read_text() == "import sys"


def test_an_old_python_is_refused(project: Project) -> None:
    ast.parse(SCRIPT.read_text(), feature_version=(3, 6))  # it knows the syntax, and comes to say so
    old = customized(project, "import sys\nsys.version_info = (3, 10, 4)\nsys.version = '3.10.4 (main)'\n")
    done = project.run(project.command(), old)
    assert done.returncode == 1
    assert done.stdout == (
        "Headcount needs Python 3.11 or newer; this is 3.10.4. Choose another Python with: "
        "make PYTHON=/path/to/python3 ...\n"
    )
    assert not project.environment.exists()


def customized(project: Project, code: str) -> Mapping[str, str]:
    """Return an environment in which each Python runs the code first."""
    folder = project.folder / "customized"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(code)
    return project.environ | {"PYTHONPATH": str(folder)}


def test_a_stop_leaves_no_traceback(project: Project) -> None:
    with project.start(project.command()) as program:
        program.wait_for((project.environment / "bin").exists, deadline_seconds=MAKE_SECONDS)
        assert program.stop(signal.SIGINT) == 130
        assert "Traceback" not in program.read()
    assert not project.environment.exists()
