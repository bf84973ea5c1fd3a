"""A desk for each test: the examples, a token, and an environment to run tools of others in."""

import dataclasses
import pathlib
import shutil

import pytest

from tests.ecosystem import install
from tests.harness import house, system
from tests.harness.gateway import Member


@dataclasses.dataclass
class Desk:
    folder: pathlib.Path  # of RUNNER: a copy of deploy/examples
    member: Member
    environment: dict

    def run(self, *command, timeout=280, cwd=None, **environment):
        """Runs a tool to its end, which must be good; what it printed."""
        return system.checked(command, cwd=cwd or self.folder, timeout=timeout,
                              env={**self.environment, **environment})

    def jobs(self, **query):
        """Every job of the desk's project, oldest first."""
        return list(self.member.client.pages("/v1/jobs", **query))[::-1]


def lay_out(folder, gateway, member):
    shutil.copytree(system.ROOT / "deploy/examples", folder, dirs_exist_ok=True)
    home = system.make_folder(folder / "home")
    host = gateway.url.removeprefix("http://").partition(":")[0]
    (folder / "token").write_text(member.token + "\n")
    (folder / "netrc").write_text(f"machine {host} login {member.user} password {member.token}\n")
    for path in [folder, *folder.rglob("*")]:
        system.own(path)
    return {**install.environment(), "HOME": str(home), "TMPDIR": str(home), "JOBGATE_URL": gateway.url,
            "JOBGATE_TOKEN_FILE": str(folder / "token"), "JOBGATE_NETRC": str(folder / "netrc")}


@pytest.fixture
def desk(gateway, member, folder):
    place = system.make_folder(folder / f"desk{next(house.NAMES)}")
    return Desk(place, member, lay_out(place, gateway, member))
