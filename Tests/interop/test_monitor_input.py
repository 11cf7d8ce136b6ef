"""`waldo-monitor` and /dev/input: a folder that is not there, that appears, and in which nothing is a device. What devices do is the
simulated ones' in MonitorTests: a test machine has none."""

import pathlib
import subprocess

from conftest import wait_until
from monitor import Publisher, monitor, room  # noqa: F401

# A /dev of its own in which there is no `input`; the rest of the machine does not see it.
HIDDEN = ("unshare", "--mount", "--propagation", "private", "sh", "-c",
          "mkdir -p /tmp/hidden-dev && mount -t tmpfs none /tmp/hidden-dev && mkdir /tmp/hidden-dev/shm && mount --bind /dev/shm /tmp/hidden-dev/shm && "
          "for each in null zero random urandom; do touch /tmp/hidden-dev/$each && mount --bind /dev/$each /tmp/hidden-dev/$each; done && "
          "mount --move /tmp/hidden-dev /dev && rmdir /tmp/hidden-dev && exec \"$@\"", "sh")


def test_a_folder_that_is_missing_and_appears(monitor, room):
    here = monitor(before=HIDDEN)
    client = here.client()
    found = here.detectors()["input"]
    assert found["mode"] == "off" and "/dev/input" in found["error"], found
    assert 'detector="input"} 0' in here.request("/metrics", {"Accept": "text/plain"}).text
    inside = lambda *command: subprocess.run(["nsenter", "--mount", "--root", "--target", str(here.process.pid), *command], check=True, timeout=10)
    inside("sh", "-c", "mkdir /dev/input && mkfifo /dev/input/event0 && echo x > /dev/input/event1 && mkdir /dev/input/event2 && "
                       "ln -s event2 /dev/input/js0 && ln -s nowhere /dev/input/event3")
    wait_until(lambda: here.detectors()["input"]["mode"] != "off", "it has seen the folder", 15)
    before = here.processor()
    inside("sh", "-c", "rm /dev/input/event1 && mkfifo /dev/input/event4")
    with Publisher(room, 5555):
        client.wait("teleoperation_started")
    state = here.state()
    assert state["connections"]["input"] == 0 and here.processor() - before < 1
    inside("rm", "-r", "/dev/input")
    wait_until(lambda: here.detectors()["input"]["mode"] == "off", "it has seen that it is gone", 15)
    client.assert_no_gaps()
