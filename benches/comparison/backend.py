"""The tool backend: nginx with a fixed answer. It counts its calls, and refuses those without a receipt on one port."""

import re
import time
from pathlib import Path

from .request import request
from .programs import Failed, Program, free_ports

# Requests with this header leave their receipt in a file. No other request is logged.
PROBE_HEADER = "X-Probe"
ANSWER = (
    '{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"Page 41 of space-0 is saved. Seven people '
    'watch it, two of them have been told. The next export is on Monday at 04:00."}],"structuredContent":'
    '{"revision":42},"isError":false}}'
)
LOG_SECONDS_MAX = 5

CONFIG = """
worker_processes 1;
daemon off;
pid backend.pid;
error_log stderr error;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  default_type application/json;
  keepalive_requests 1000000000;
  keepalive_timeout 300s;
  client_body_temp_path temp-backend;
  proxy_temp_path temp-backend;
  fastcgi_temp_path temp-backend;
  uwsgi_temp_path temp-backend;
  scgi_temp_path temp-backend;
  log_format receipt '$http_oakgate_receipt';
  server {{
    listen 127.0.0.1:{plain} backlog=4096;
    location = /mcp {{ return 200 '{answer}'; }}
    location = /status {{ stub_status; }}
  }}
  server {{
    listen 127.0.0.1:{stamped} backlog=4096;
    location = /mcp {{
      if ($http_oakgate_receipt = "") {{ return 403; }}
      access_log receipts.log receipt if=$http_x_probe;
      return 200 '{answer}';
    }}
  }}
}}
"""


class Backend:
    def __init__(self, nginx, directory):
        self.port, self.stamped_port = free_ports(2)
        self._asked = 0
        self.receipts = Path(directory) / "receipts.log"
        config = Path(directory) / "backend.conf"
        config.write_text(CONFIG.format(plain=self.port, stamped=self.stamped_port, answer=ANSWER))
        command = [nginx, "-p", directory, "-e", "stderr", "-c", config]
        self.program = Program("backend", command, self.port, directory)

    def calls(self):
        """Calls answered so far. Asking counts as one, and is left out."""
        text = request(self.port, "GET", "/status").body.decode()
        found = re.search(r"^\s*\d+ \d+ (\d+)", text, re.MULTILINE)
        if not found:
            raise Failed(f"the backend does not count:\n{text}")
        self._asked += 1
        return int(found[1]) - self._asked

    def last_receipt(self):
        """The receipt that came with the last probe."""
        deadline = time.monotonic() + LOG_SECONDS_MAX
        while time.monotonic() < deadline:
            lines = self.receipts.read_text().splitlines() if self.receipts.exists() else []
            if lines:
                return lines[-1]
            time.sleep(0.05)
        raise Failed("the backend got no receipt")
