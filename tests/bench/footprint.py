"""Footprint: memory of an idle gateway, and the time from its start to its first 200 of /ready."""

import http.client
import statistics
import time

REFERENCE = "none: MiB and milliseconds"
GOALS = {"rss_mib": "<= 25", "ready_ms": "<= 150"}


def prepare(world):
    world.starts = 1 if world.smoke else 5


def ready_ms(world):
    started = time.monotonic()
    world.gateway.spawn()
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", world.gateway.port, timeout=5)
            connection.request("GET", "/ready")
            if connection.getresponse().status == 200:
                return (time.monotonic() - started) * 1000
        except OSError:
            pass
        if time.monotonic() - started > 30:
            raise RuntimeError(world.gateway.tail())
        time.sleep(0.001)


def run(world):
    times = []
    for _ in range(world.starts):
        if world.gateway.running():
            world.gateway.stop()
        times.append(ready_ms(world))
    time.sleep(1 if world.smoke else 3)
    return {"rss_mib": world.gateway.rss_kib() / 1024, "ready_ms": statistics.median(times)}
