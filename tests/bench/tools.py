"""The load generators and the references: wrk, pgbench and nginx."""

import contextlib
import json
import pathlib
import re
import socket
import subprocess
import time

from tests.harness import postgres, system

HERE = pathlib.Path(__file__).parent


def wrk(world, url, script, connections, *arguments, seconds=None):
    """Runs wrk with a script of this folder; requests per second and latencies in ms."""
    threads = min(2, connections)
    done = subprocess.run(
        ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds or world.seconds}s", "--timeout", "30s",
         "-s", HERE / script, url, "--", *map(str, arguments)],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, check=True)
    found = json.loads(done.stdout.strip().splitlines()[-1])
    if found["errors"] or found["refused"]:
        raise RuntimeError(f"{url}: {found['errors']} errors, {found['refused']} answers that are none\n{done.stdout}")
    return found


def post_lines(world, specs):
    """Submits jobs as one body of lines; the seconds to the end of the answer, and the ids."""
    body = "".join(json.dumps(spec) + "\n" for spec in specs).encode()
    header = (f"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.member.token}\r\n"
              f"Content-Type: application/x-ndjson\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n")
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", world.gateway.port)) as client:
        client.sendall(header.encode() + body)
        answer = bytearray()
        while part := client.recv(1 << 20):
            answer += part
    seconds = time.monotonic() - started
    head, _, lines = answer.partition(b"\r\n\r\n")
    results = [json.loads(line) for line in lines.splitlines()]
    if b" 200 " not in head[:20] or [result["status"] for result in results] != [201] * len(specs):
        raise RuntimeError(f"{bytes(head)}\n{results[:3]}")
    return seconds, [result["id"] for result in results]


def pgbench(world, script, clients, *arguments, seconds=None):
    """Runs pgbench with prepared statements; transactions per second."""
    done = subprocess.run(
        [postgres.binaries() / "pgbench", "-h", world.cluster.socket, "-U", "postgres", "-n", "-M", "prepared",
         "-f", script, "-c", str(clients), "-j", str(min(2, clients)), "-T", str(seconds or world.seconds),
         *arguments, world.database],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=world.folder)
    found = re.search(r"^tps = ([0-9.]+)", done.stdout, re.M)
    if done.returncode != 0 or not found:
        raise RuntimeError(done.stdout + done.stderr)
    return float(found.group(1))


def pgbench_p99_ms(world, script, clients):
    """The same, its 99th percentile."""
    for log in world.folder.glob("latency.*"):
        log.unlink()
    pgbench(world, script, clients, "-l", "--log-prefix=latency")
    lines = "".join(log.read_text() for log in world.folder.glob("latency.*")).splitlines()
    times = sorted(int(line.split()[2]) for line in lines)
    return times[int(len(times) * 0.99)] / 1000


@contextlib.contextmanager
def nginx(world, root):
    """Serves the files below root with two workers; its URL."""
    port = system.free_port()
    conf = world.folder / "nginx.conf"
    conf.write_text(f"""
worker_processes 2;
daemon off;
pid {world.folder}/nginx.pid;
error_log {world.folder}/nginx.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    default_type application/json;
    client_body_temp_path {world.folder}/nginx.body;
    proxy_temp_path {world.folder}/nginx.proxy;
    fastcgi_temp_path {world.folder}/nginx.fastcgi;
    uwsgi_temp_path {world.folder}/nginx.uwsgi;
    scgi_temp_path {world.folder}/nginx.scgi;
    server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
""", encoding="utf-8")
    process = subprocess.Popen(["/usr/sbin/nginx", "-e", world.folder / "nginx.log", "-c", conf],
                               stdin=subprocess.DEVNULL, **system.as_runner())
    try:
        system.wait_until(lambda: _answers(port), what="nginx")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
