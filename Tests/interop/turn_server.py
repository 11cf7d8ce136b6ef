"""Debian's coturn, started for one test on addresses of this machine."""

import os
import shutil
import socket
import subprocess
import time

USER, PASSWORD, REALM = "waldo", "correct horse", "waldo.test"


def tool(name, package):
    path = shutil.which(name)
    if not path:
        raise RuntimeError(f"{name} is missing: install the Debian package {package} (scripts/setup tests)")
    return path


def free_ports(address, count):
    """Ports that are free for TCP and UDP."""
    held, ports = [], []
    try:
        for _ in range(200):
            tcp, udp = socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            held += [tcp, udp]
            tcp.bind((address, 0))
            try:
                udp.bind(tcp.getsockname())
            except OSError:
                continue
            ports.append(tcp.getsockname()[1])
            if len(ports) == count:
                return ports
        raise AssertionError(f"{address}: found no {count} ports that are free for TCP and UDP")
    finally:
        for each in held:
            each.close()


def make_certificate(directory, name="turn.waldo.test", address="127.0.0.1"):
    certificate, key = os.path.join(directory, "certificate.pem"), os.path.join(directory, "key.pem")
    subprocess.run(
        [
            tool("openssl", "openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", key, "-out", certificate, "-days", "2", "-subj", f"/CN={name}",
            "-addext", f"subjectAltName=DNS:{name},DNS:localhost,IP:{address}",
        ],
        check=True, capture_output=True, timeout=30,
    )
    return certificate, key


class TurnServer:
    """`port` for UDP and TCP, `tls_port` for TLS. `options` go to turnserver as they are; `certified` is the address in its certificate."""

    def __init__(self, directory, *options, address="127.0.0.1", certified=None):
        self.address = address
        self.certificate, key = make_certificate(directory, address=certified or address)
        # The last thing before it starts: the tests beside this one take ports, too.
        self.port, self.tls_port = free_ports(address, 2)
        self.log_path = os.path.join(directory, "turnserver.log")
        self.log = open(self.log_path, "w")
        command = [
            tool("turnserver", "coturn"), "-n", "--verbose", "--lt-cred-mech", "--fingerprint", "--no-cli", "--simple-log",
            "--log-file", "stdout", "--pidfile", os.path.join(directory, "turnserver.pid"),
            "--userdb", os.path.join(directory, "turn.db"),
            "--listening-ip", address, "--relay-ip", address, "--listening-port", str(self.port),
            "--tls-listening-port", str(self.tls_port), "--cert", self.certificate, "--pkey", key,
            "--user", f"{USER}:{PASSWORD}", "--realm", REALM, "--allow-loopback-peers", "--relay-threads", "2", *options,
        ]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT, cwd=directory)
        self._wait()

    def _wait(self):
        deadline = time.monotonic() + 15
        for port in (self.port, self.tls_port):
            while True:
                try:
                    socket.create_connection((self.address, port), timeout=1).close()
                    break
                except OSError:
                    if self.process.poll() is not None or time.monotonic() > deadline:
                        raise AssertionError(f"turnserver does not listen on port {port}; its log:\n{self.read_log()}")
                    time.sleep(0.05)

    def whole_log(self):
        self.log.flush()
        with open(self.log_path) as log:
            return log.read()

    def read_log(self):
        return self.whole_log()[-4000:]

    def url(self, transport):
        if transport == "tls":
            return f"turns:{self.address}:{self.tls_port}?transport=tcp"
        return f"turn:{self.address}:{self.port}?transport={transport}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(timeout=5)
        self.log.close()
