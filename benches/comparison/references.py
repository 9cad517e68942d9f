"""The references: other proxies that pass the same calls through, each with one worker."""

import json
from pathlib import Path

from .programs import Failed, Program
from .request import request

NGINX = """
worker_processes 1;
daemon off;
pid nginx.pid;
error_log stderr error;
events {{ worker_connections {connections}; }}
worker_rlimit_nofile 65536;
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 3600s;
  client_header_timeout 3600s;
  client_body_temp_path temp-nginx;
  proxy_temp_path temp-nginx;
  fastcgi_temp_path temp-nginx;
  uwsgi_temp_path temp-nginx;
  scgi_temp_path temp-nginx;
  upstream backend {{
    server 127.0.0.1:{backend};
    keepalive 512;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }}
  }}
  {edges}
}}
"""

# HTTP/2 without TLS needs a port of its own: this nginx does not look what a client begins with.
NGINX_EDGES = """
  server {{
    listen 127.0.0.1:{http2} http2 backlog=4096;
    listen 127.0.0.1:{secure} ssl http2 backlog=4096;
    ssl_certificate {chain};
    ssl_certificate_key {key};
    location / {{
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }}
  }}
"""

HAPROXY = """
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  http-reuse always
  timeout connect 5s
  timeout client 300s
  timeout server 300s
frontend calls
  bind 127.0.0.1:{port}
  default_backend tools
backend tools
  server tool 127.0.0.1:{backend} pool-max-conn -1
"""

# Tools that Envoy's access rules deny: as many as the levels that a call through Oakgate is looked up at.
DENIED_TOOLS = [f"denied-{number}" for number in range(12)]
ACCEPTED = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


def nginx(path, backend_port, port, directory, edges=None):
    """`edges`: further ports for HTTP/2 and TLS, and the certificate."""
    config = Path(directory) / "nginx.conf"
    more, connections = (NGINX_EDGES.format(**edges), 32768) if edges else ("", 4096)
    config.write_text(NGINX.format(backend=backend_port, port=port, connections=connections, edges=more))
    return Program("nginx", [path, "-p", directory, "-e", "stderr", "-c", config], port, directory)


def haproxy(path, backend_port, port, directory):
    config = Path(directory) / "haproxy.cfg"
    config.write_text(HAPROXY.format(backend=backend_port, port=port))
    return Program("haproxy", [path, "-db", "-q", "-f", config], port, directory)


def envoy(path, backend_port, port, directory):
    return _envoy("envoy", path, backend_port, port, directory, [])


def envoy_mcp(path, backend_port, port, directory):
    """Envoy that parses MCP and denies some tools: the nearest that it comes to enforcing."""
    program = _envoy("envoy mcp+rbac", path, backend_port, port, directory, [_envoy_mcp(), _envoy_rbac()])
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": DENIED_TOOLS[-1], "arguments": {}}}
    answer = request(port, "POST", "/mcp", json.dumps(call), ACCEPTED)
    if answer.status != 403:
        program.stop()
        raise Failed(f"envoy did not deny `{DENIED_TOOLS[-1]}`: {answer}")
    return program


def _envoy(name, path, backend_port, port, directory, filters):
    config = Path(directory) / f"{name.replace(' ', '-')}.json"
    config.write_text(json.dumps(_envoy_bootstrap(backend_port, port, filters)))
    command = [path, "--concurrency", "1", "--disable-hot-restart", "--log-level", "error", "-c", config]
    return Program(name, command, port, directory)


def _extension(name, type_name, **fields):
    return {"name": name, "typed_config": {"@type": f"type.googleapis.com/envoy.extensions.{type_name}", **fields}}


def _address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _envoy_bootstrap(backend_port, port, filters):
    router = _extension("envoy.filters.http.router", "filters.http.router.v3.Router")
    route = {"match": {"prefix": "/"}, "route": {"cluster": "tools"}}
    manager = _extension(
        "envoy.filters.network.http_connection_manager",
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="calls",
        http_filters=[*filters, router],
        route_config={"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
    )
    endpoint = {"endpoint": {"address": _address(backend_port)}}
    cluster = {
        "name": "tools",
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": "tools", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    listener = {"name": "calls", "address": _address(port), "filter_chains": [{"filters": [manager]}]}
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def _envoy_mcp():
    return _extension("envoy.filters.http.mcp", "filters.http.mcp.v3.Mcp", traffic_mode="REJECT_NO_MCP")


def _envoy_rbac():
    def says(path, value):
        keys = [{"key": key} for key in path]
        matcher = {"filter": "envoy.filters.http.mcp", "path": keys, "value": {"string_match": {"exact": value}}}
        return {"sourced_metadata": {"metadata_matcher": matcher}}

    def rule(tool):
        both = [says(["method"], "tools/call"), says(["params", "name"], tool)]
        return {"permissions": [{"and_rules": {"rules": both}}], "principals": [{"any": True}]}

    rules = {"action": "DENY", "policies": {f"no-{tool}": rule(tool) for tool in DENIED_TOOLS}}
    return _extension("envoy.filters.http.rbac", "filters.http.rbac.v3.RBAC", rules=rules)
