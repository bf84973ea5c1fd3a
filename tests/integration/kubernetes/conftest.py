"""A server in place of an API server, played by the test, and the client of the gateway."""

import contextlib
import queue
import urllib.parse

import pytest

from tests.harness import hostile, house, kubernetes_client, system, tls

TOKEN = "sesame-5f1c"
NOBODY = "https://127.0.0.1:1"
OPEN = {"host_paths": ["/mnt/data"],
        "patch_paths": ["/spec/template/spec/runtimeClassName",
                        "/spec/template/metadata/annotations/sidecar.istio.io~1inject"]}


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return tls.Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def identity(authority):
    return authority.sign("server", "IP:127.0.0.1")


@pytest.fixture
def serve(identity):
    """A server with this answer(exchange)."""
    with contextlib.ExitStack() as stack:
        yield lambda answer: stack.enter_context(hostile.Server(*identity, answer))


@pytest.fixture
def connect(serve, authority, tmp_path):
    """A client of a server with this answer(exchange)."""
    with contextlib.ExitStack() as stack:
        def make(answer):
            config = kubernetes_client.kubeconfig(tmp_path / "config", serve(answer).url, authority.certificate,
                                                  token=TOKEN)
            return stack.enter_context(kubernetes_client.Client(kubeconfig=config))
        yield make


@pytest.fixture(scope="module")
def kube_gateway(folder, binaries, contract, cluster, authority):
    """A gateway on a Kubernetes that is not there; of its backends `open` permits more."""
    made = house.build_gateway(folder, binaries, cluster, contract)
    certificate = made.folder / "ca.crt"
    certificate.write_bytes(authority.certificate.read_bytes())
    config = kubernetes_client.kubeconfig(made.folder / "kubeconfig", NOBODY, certificate, token=TOKEN)
    config.chmod(0o600)
    for file in (certificate, config):
        system.own(file)
    backend = {"type": "kubernetes", "kubeconfig": str(config)}
    made.write_settings({"backends": [{"name": "kubernetes", **backend}, {"name": "open", **backend, **OPEN}]})
    yield made.start()
    house.end_gateway(made)


@pytest.fixture(scope="module")
def kube_api(kube_gateway):
    name = f"spec-{next(house.NAMES)}"
    kube_gateway.cli("user", "create", name)
    kube_gateway.cli("project", "create", name, "--default-backend", "kubernetes", "--member", f"{name}:submitter")
    for backend in ("kubernetes", "open"):
        kube_gateway.cli("project", "identity", name, backend, "team-a")
    return kube_gateway.client(kube_gateway.token(name))


class Play:
    """Answers requests in turn, each by the next of its parts, and from then on not at all."""

    def __init__(self, *parts):
        self._parts, self._requests = iter(parts), queue.Queue()

    def __call__(self, exchange):
        self._requests.put(exchange.target)
        next(self._parts, hostile.Exchange.wait_closed)(exchange)

    def asked(self):
        """The path and the parameters of the next request."""
        path, _, query = self._requests.get(timeout=30).partition("?")
        return path, dict(urllib.parse.parse_qsl(query))


@pytest.fixture
def play():
    return Play
