"""A certificate for 127.0.0.1 that signs itself, made by openssl: P-256, as most servers have today."""

import subprocess
from pathlib import Path

from .programs import Failed


class Certificate:
    def __init__(self, openssl, directory):
        self.chain, self.key = Path(directory) / "chain.pem", Path(directory) / "key.pem"
        command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
        done = subprocess.run([*command, *names, "-keyout", self.key, "-out", self.chain], capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f"openssl made no certificate:\n{done.stderr}")
